"""The end of `worker --burst`: looks until the queues served hold nothing that could run now.

Waits for what is ready (unless its queue is paused) and for what runs, here or elsewhere. What is scheduled for later
(a retry, a task that no worker knows), parked or paused is left for the next worker.
"""

import asyncio
import logging
from collections.abc import Sequence

from forebay.engine.contract import Depth, Engine
from forebay.engine.trouble import Trouble
from forebay.model.errors import EngineClosed, EngineError

_logger = logging.getLogger("forebay.supervisor")
#: Seconds between looks, and looks in a row that must find nothing: what is due just now may still become ready.
LOOK, LOOKS = 0.25, 2
#: Likewise, while something is parked or scheduled: two seconds. What was held for a queue that was full goes on soon
#: after that is not, and what a worker puts off since it has no process or thread for it is due a second later.
PUT_OFF = 8


def spent(depths: Sequence[Depth]) -> bool:
    """Whether nothing of these queues runs or could begin."""
    return not any(depth.running or (depth.ready and not depth.paused) for depth in depths)


async def until_spent(engine: Engine, queues: Sequence[str]) -> None:
    """Return once nothing is left to do; an engine that does not answer is asked again.

    Raises:
        EngineClosed: for good.
    """
    found, enough, trouble = 0, LOOKS, Trouble(_logger)
    while found < enough:
        await asyncio.sleep(LOOK)
        try:
            depths = await engine.depth(queues)
            found = found + 1 if spent(depths) else 0
            enough = PUT_OFF if any(depth.parked or depth.scheduled for depth in depths) else LOOKS
            trouble.over("looking for the end of the burst")
        except EngineClosed:
            raise
        except EngineError as error:
            found = 0
            trouble.tell("looking for the end of the burst", error)
