"""The bench's tasks on SAQ, by the URL on Redis or PostgreSQL.  BENCH_CONCURRENCY is how many run at a time."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue

from benchmarks import meter

UVLOOP = True
queue = Queue.from_url(os.environ["BENCH_URL"])


async def noop(context: Any) -> None:
    meter.mark()


async def lag(context: Any, *, sent: int) -> None:
    meter.record_since(sent)


settings = {"queue": queue, "functions": [noop, lag], "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "10"))}


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


async def asend(task: str, *args: int) -> None:
    await queue.enqueue(task, **({"sent": args[0]} if args else {}))


async def afill(task: str, count: int) -> None:
    for _ in range(count):
        await asend(task)
