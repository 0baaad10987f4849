"""The bench's tasks on Oban for Python: workers of its own kind, served by `Oban` in this process.

BENCH_CONCURRENCY is how many jobs its queue runs at a time. Run as a module it serves.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from oban import Oban, worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool

from benchmarks import meter

UVLOOP = True
oban: Oban


@worker(queue="bench")
class Noop:
    async def process(self, _job: Any) -> None:
        meter.mark()


@worker(queue="bench")
class Lag:
    async def process(self, job: Any) -> None:
        meter.record_since(job.args["sent"])


TASKS: dict[str, Any] = {"noop": Noop, "lag": Lag}


def _pool() -> AsyncConnectionPool:
    return AsyncConnectionPool(conninfo=os.environ["BENCH_URL"], min_size=1, max_size=10, open=False)


def prepare() -> None:
    async def tables() -> None:
        async with _pool() as pool:
            await install(pool)

    asyncio.run(tables())


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    global oban
    async with _pool() as pool, Oban(pool=pool) as oban:
        yield


async def asend(task: str, *args: int) -> None:
    await oban.enqueue(TASKS[task].new({"sent": args[0]} if args else {}))


async def asend_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        await oban.enqueue_many(TASKS[task].new() for _ in range(min(chunk, count - start)))


async def afill(task: str, count: int) -> None:
    await asend_many(task, count, 1_000)


async def serve() -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with _pool() as pool, Oban(pool=pool, queues={"bench": int(os.environ["BENCH_CONCURRENCY"])}):
        await over.wait()


if __name__ == "__main__":
    import uvloop  # as its own command does

    uvloop.run(serve())
