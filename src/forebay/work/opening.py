"""The engine of a supervisor, opened for it. One that a worker has had open is waited for if it went away since."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from forebay.config import Settings
from forebay.engine.backend import Whole
from forebay.engine.registry import build
from forebay.engine.trouble import Trouble
from forebay.engine.waiting import drive
from forebay.model.clock import Clock
from forebay.model.errors import EngineUnreachable, OutcomeUnknown
from forebay.work.aside import aside

_logger = logging.getLogger("forebay.supervisor")
#: Seconds between two tries.
_AGAIN = 1.0


async def opened(settings: Settings, clock: Clock, rest: Callable[[float], Coroutine[Any, Any, bool]]) -> Whole | None:
    """The engine, open.

    Args:
        rest: waits so many seconds; true if there is no use in going on.

    Returns:
        None if `rest` said so first.

    Raises:
        ForebayError: it cannot be used, for another reason than that it does not answer.
    """
    trouble, name = Trouble(_logger), "opening the engine"
    while True:
        backend = build(settings, clock)
        try:
            await aside(drive, backend.open())  # it may wait for a lock or a server; signals are heard meanwhile
        except (EngineUnreachable, OutcomeUnknown) as error:  # it fell silent amid its opening: the same, once more
            trouble.tell(name, error, advice=f"a worker had it open, so this is tried every {_AGAIN:g} s")
        else:
            trouble.over(name)
            return backend
        if await rest(_AGAIN):
            return None
