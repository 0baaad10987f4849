"""The bench's tasks on awa, whose workers are written in Rust; BENCH_CONCURRENCY is how many run at a time.

Run as a module it serves, for it has no command for that.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import awa

from benchmarks import meter

URL = os.environ["BENCH_URL"]
client: Any


@dataclass
class Noop:
    pass


@dataclass
class Lag:
    sent: int


KINDS: dict[str, type[Any]] = {"noop": Noop, "lag": Lag}


def prepare() -> None:
    async def install() -> None:
        setup = awa.AsyncClient(URL)
        await setup.migrate()
        await setup.install_queue_storage()

    asyncio.run(install())


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    global client  # noqa: PLW0603
    client = awa.AsyncClient(URL)
    yield


async def asend(task: str, *args: int) -> None:
    await client.insert(KINDS[task](*args), queue="bench")


async def asend_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        await client.enqueue_many_copy([KINDS[task]() for _ in range(min(chunk, count - start))], queue="bench")


async def afill(task: str, count: int) -> None:
    await asend_many(task, count, 1_000)


async def serve() -> None:
    workers = awa.AsyncClient(URL)

    @workers.task(Noop, queue="bench")
    async def noop(job: Any) -> None:
        meter.mark()

    @workers.task(Lag, queue="bench")
    async def lag(job: Any) -> None:
        meter.record_since(job.args.sent)

    await workers.start([("bench", int(os.environ.get("BENCH_CONCURRENCY", "100")))])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
