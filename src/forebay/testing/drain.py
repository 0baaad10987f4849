"""Running everything that is due, here and now, to its end: no worker, no waiting, one message after the other.

The way of a message is the worker's own (executor, retry policy, seal, fences); only the pools are left out.
Asynchronous tasks run on a loop, with their `timeout=`; plain ones, `cpu=True` ones too, in the thread that drains
(`drain`) or in a thread beside the loop (`adrain`), and no timeout stops them. Schedules whose messages go to a queue
that is drained fire when they are due; the app's hooks are called as in a worker process that starts with the drain and
ends with it, or not at all.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from forebay.app import Forebay
from forebay.engine.waiting import drive
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ForebayError, TaskFailed
from forebay.model.lifecycle import State
from forebay.testing.drainer import Drainer, Ended
from forebay.testing.job import End

__all__ = ["Ended", "adrain", "drain"]

_NOT_YET: End = (None, None)


def drain(
    app: Forebay, *queues: str, ahead: Duration = 0.0, raising: bool = False, limit: int = 10_000, hooks: bool = True
) -> list[Ended]:
    """Run what is due; how each run ended, in order. A failed message that is due again at once runs again.

    Args:
        queues: these only; all that the app has declared if none is named.
        ahead: also what becomes due within this time (delays, retries, schedules); a `ManualClock` is moved along.
        raising: raise what a task raised, or `TaskFailed`, as soon as a message fails; it is settled before.
        limit: runs after which this gives up, for a message that makes another one never ends.
        hooks: call the app's `on_start` hooks first, its `on_stop` hooks at the end, and `on_failure` for each failure.

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
            for hook in app.on_start if hooks else ():
                _here(runner, hook)
            while (job := drive(drainer.next())) is not None:
                end = _NOT_YET if job.is_async else job.here()
                if job.is_async or inspect.isawaitable(end[0]):
                    end = runner.run(job.on_loop(end[0]))
                ended = drive(drainer.settle(job, *end))
                for hook, failed in _hooks(app, drainer) if hooks else ():
                    _here(runner, hook, *failed)
                _look(ended, raising)
            for hook, failed in _hooks(app, drainer) if hooks else ():
                _here(runner, hook, *failed)
            for hook in app.on_stop if hooks else ():
                _here(runner, hook)
    finally:
        drive(drainer.close())
    return drainer.ended


async def adrain(
    app: Forebay, *queues: str, ahead: Duration = 0.0, raising: bool = False, limit: int = 10_000, hooks: bool = True
) -> list[Ended]:
    """`drain` for asynchronous tests."""
    drainer = Drainer(app, queues, seconds(ahead, "ahead"), limit)
    await drainer.open()
    try:
        for hook in app.on_start if hooks else ():
            await _there(hook)
        while (job := await drainer.next()) is not None:
            end = _NOT_YET if job.is_async else await asyncio.to_thread(job.here)
            if job.is_async or inspect.isawaitable(end[0]):
                end = await job.on_loop(end[0])
            ended = await drainer.settle(job, *end)
            for hook, failed in _hooks(app, drainer) if hooks else ():
                await _there(hook, *failed)
            _look(ended, raising)
        for hook, failed in _hooks(app, drainer) if hooks else ():
            await _there(hook, *failed)
        for hook in app.on_stop if hooks else ():
            await _there(hook)
    finally:
        await drainer.close()
    return drainer.ended


def _hooks(app: Forebay, drainer: Drainer) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """What the app wants to be told of the failures since the last time."""
    failed, drainer.failed = drainer.failed, []
    told = [(context, one.error, one.outcome) for context, one in failed if one is not None]
    return [(hook, given) for given in told for hook in app.on_failure]


def _here(runner: asyncio.Runner, hook: Callable[..., Any], *given: Any) -> None:
    value = hook(*given)
    if inspect.isawaitable(value):
        runner.run(_awaited(value))


async def _there(hook: Callable[..., Any], *given: Any) -> None:
    value = hook(*given)
    if inspect.isawaitable(value):
        await value


async def _awaited(value: Awaitable[Any]) -> None:
    await value


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
