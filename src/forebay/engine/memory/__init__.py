"""`memory://`: everything in plain dicts of one process, gone with it. The reference that other engines are read by.

Read `line`, `record` and `state`, then the verbs: `engine` for messages on their way, `messages` for looking at them,
`store` for gates, schedules and workers. Safe to use from several threads, and whoever calls may be struck at any
step: the state changes in a thread of its own. Each `backend` is a world of its own.
"""

from forebay.config import Settings, masked
from forebay.engine.aside import Aside, carried_out_aside
from forebay.engine.backend import Backend, of_one
from forebay.engine.memory.engine import MemoryEngine
from forebay.engine.memory.messages import MemoryMessages
from forebay.engine.memory.metering import MemoryMeters
from forebay.engine.memory.state import Memory
from forebay.engine.memory.store import MemoryStore
from forebay.model.clock import Clock
from forebay.model.errors import ConfigError

#: Seconds that the thread of an engine stays when nobody asks for anything.
LINGER = 1.0


@carried_out_aside(but=("open", "close", "wait", "watch"))
class MemoryBackend(MemoryEngine, MemoryMessages, MemoryMeters, MemoryStore):
    """The three groups of verbs over one state; they share no method and override nothing."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.aside = Aside(LINGER)
        memory = Memory(settings, clock)
        MemoryEngine.__init__(self, memory)
        MemoryMessages.__init__(self, memory)
        MemoryMeters.__init__(self, memory)
        MemoryStore.__init__(self, memory)


def backend(settings: Settings, clock: Clock) -> Backend:
    """The parts of a new, empty memory engine; see `build`."""
    return of_one(build(settings, clock))


def build(settings: Settings, clock: Clock) -> MemoryBackend:
    """A new, empty memory engine, which is its own store.

    Raises:
        ConfigError: the URL says more than that, and it would be dropped.
    """
    if settings.url.lower() != "memory://":
        raise ConfigError(
            f"{masked(settings.url)!r} cannot be used: queues in memory have no name and no options: write memory://"
        )
    return MemoryBackend(settings, clock)
