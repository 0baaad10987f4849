"""What these lessons share: a worker inside the test's own process, for as long as some messages need to end.

Nothing here teaches; a real deployment runs `forebay worker`, in processes of its own.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from forebay import Forebay, Handle, TaskFailed
from forebay.config import WorkerOptions
from forebay.work.dev import working

T = TypeVar("T")

#: Seconds after which a lesson gives up; far more than any of them takes.
SOON = 90


def work(app: Forebay, *handles: Handle[Any], **options: Any) -> None:
    """Let a worker run until these messages have ended, well or badly."""

    async def story() -> None:
        for handle in handles:
            with contextlib.suppress(TaskFailed):
                await handle.aresult(timeout=SOON)

    beside_a_worker(app, story, **options)


def beside_a_worker(app: Forebay, story: Callable[[], Awaitable[T]], **options: Any) -> T:
    """Run asynchronous code while a worker works beside it."""

    async def run() -> T:
        async with working(app, WorkerOptions(**options)):
            return await story()

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another part of the process is about to do."""
    pause = 0.005
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(pause)
            pause = min(0.05, 1.1 * pause)
