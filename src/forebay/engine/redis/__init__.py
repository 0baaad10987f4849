"""Queues and their store on one Redis or Valkey server, for any number of processes of any number of hosts.

Read `backend` for the verbs, `lua/` for what happens on the server: one script for each operation, with the keys it
touches on top. `talk` is how they get there and back, whatever becomes of the connection.
"""

from forebay.config import Settings
from forebay.engine.backend import Backend, of_one
from forebay.engine.redis.address import Address
from forebay.engine.redis.backend import Redis
from forebay.engine.redis.checks import ServerChecks
from forebay.model.clock import Clock

__all__ = ["Redis", "backend", "build"]


def backend(settings: Settings, clock: Clock) -> Backend:
    """The parts for a `redis://`, `rediss://`, `unix://` or `valkey://` URL, not yet opened."""
    made = build(settings, clock)
    return of_one(made, ServerChecks(Address(settings)), moves=made.moves)


def build(settings: Settings, clock: Clock) -> Redis:
    """The engine for such a URL, not yet opened, which is its own store.

    Raises:
        ConfigError: the URL, or a setting beside it, cannot work.
    """
    return Redis(settings, clock)
