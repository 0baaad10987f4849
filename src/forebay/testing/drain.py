"""Running everything that is due, here and now, to its end: no worker, no waiting, one message after the other.

The way of a message is the worker's own (executor, retry policy, seal, fences); only the pools are left out.
Asynchronous tasks run on a loop, with their `timeout=`; plain ones, `cpu=True` ones too, in the thread that drains
(`drain`) or in a thread beside the loop (`adrain`), and no timeout stops them. Schedules fire when they are due.
"""

import asyncio
import contextlib
import inspect

from forebay.app import Forebay
from forebay.engine.waiting import drive
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ForebayError, TaskFailed
from forebay.model.lifecycle import State
from forebay.testing.drainer import Drainer, Ended
from forebay.testing.job import End

__all__ = ["Ended", "adrain", "drain"]

_NOT_YET: End = (None, None)


def drain(app: Forebay, *queues: str, ahead: Duration = 0.0, raising: bool = False, limit: int = 10_000) -> list[Ended]:
    """Run what is due; how each run ended, in order. A failed message that is due again at once runs again.

    Args:
        queues: these only; all that the app has declared if none is named.
        ahead: also what becomes due within this time (delays, retries, schedules); a `ManualClock` is moved along.
        raising: raise what a task raised, or `TaskFailed`, as soon as a message fails; it is settled before.
        limit: runs after which this gives up, for a message that makes another one never ends.

    Raises:
        ForebayError: a loop runs in this thread; use `adrain`.
        ConfigError: `ahead` without a `ManualClock`.
        AssertionError: `limit` is reached.
    """
    _refuse_on_loop()
    drainer = Drainer(app, queues, seconds(ahead, "ahead"), limit)
    drive(drainer.open())
    try:
        with asyncio.Runner() as runner:
            while (job := drive(drainer.next())) is not None:
                end = _NOT_YET if job.is_async else job.here()
                if job.is_async or inspect.isawaitable(end[0]):
                    end = runner.run(job.on_loop(end[0]))
                _look(drive(drainer.settle(job, *end)), raising)
    finally:
        drive(drainer.close())
    return drainer.ended


async def adrain(
    app: Forebay, *queues: str, ahead: Duration = 0.0, raising: bool = False, limit: int = 10_000
) -> list[Ended]:
    """`drain` for asynchronous tests."""
    drainer = Drainer(app, queues, seconds(ahead, "ahead"), limit)
    await drainer.open()
    try:
        while (job := await drainer.next()) is not None:
            end = _NOT_YET if job.is_async else await asyncio.to_thread(job.here)
            if job.is_async or inspect.isawaitable(end[0]):
                end = await job.on_loop(end[0])
            _look(await drainer.settle(job, *end), raising)
    finally:
        await drainer.close()
    return drainer.ended


def _refuse_on_loop() -> None:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        raise ForebayError("drain() would block the loop that runs here: use `await adrain(app)`")


def _look(ended: list[Ended], raising: bool) -> None:
    for one in ended if raising else ():
        if one.error is not None and one.state is not State.DONE:
            raise one.error
        if one.state is State.DEAD:
            raise TaskFailed(f"message {one.id} of {one.task or one.queue} is dead: {one.cause}")
