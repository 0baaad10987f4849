"""Queues and their store in a schema of a PostgreSQL database, for any number of processes on any number of hosts."""

from forebay.config import Settings
from forebay.engine.backend import Backend, of_one
from forebay.engine.postgres.backend import Postgres
from forebay.engine.postgres.checks import ServerChecks
from forebay.model.clock import Clock

__all__ = ["Postgres", "backend", "build"]


def backend(settings: Settings, clock: Clock) -> Backend:
    """The parts for a `postgresql://` URL, not yet opened."""
    made = build(settings, clock)
    return of_one(made, ServerChecks(settings), made.transacts, made.moves)


def build(settings: Settings, clock: Clock) -> Postgres:
    """The engine for such a URL, not yet opened, which is its own store."""
    return Postgres(settings, clock)
