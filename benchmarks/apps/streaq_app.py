"""The bench's tasks on streaQ.  BENCH_CONCURRENCY is how many run at a time."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streaq import Worker

from benchmarks import meter

UVLOOP = True
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "16"))
worker = Worker(redis_url=os.environ["BENCH_URL"], concurrency=CONCURRENCY, anyio_kwargs={"use_uvloop": True})


@worker.task(ttl=0)
async def noop() -> None:
    meter.mark()


@worker.task(ttl=0)
async def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    async with worker:
        yield


async def asend(task: str, *args: int) -> None:
    await TASKS[task].enqueue(*args)


async def asend_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        await worker.enqueue_many([TASKS[task].enqueue() for _ in range(min(chunk, count - start))])


async def afill(task: str, count: int) -> None:
    await asend_many(task, count, 1_000)
