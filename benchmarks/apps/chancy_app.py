"""The bench's tasks on Chancy: async executor, polling after each job.  BENCH_CONCURRENCY is how many at a time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chancy import Chancy, Queue, job

from benchmarks import meter

app = Chancy(os.environ["BENCH_URL"])
queue = Queue(
    "bench", concurrency=int(os.environ.get("BENCH_CONCURRENCY", "10")), executor=Chancy.Executor.Async,
    polling_interval=1, eager_polling=True,
)  # fmt: skip


@job(queue="bench")
async def noop() -> None:
    meter.mark()


@job(queue="bench")
async def lag(*, sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def prepare() -> None:
    async def install() -> None:
        async with app:
            await app.migrate()
            await app.declare(queue)

    asyncio.run(install())


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    async with app:
        yield


async def asend(task: str, *args: int) -> None:
    one = TASKS[task].job
    await app.push(one.with_kwargs(sent=args[0]) if args else one)


async def asend_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        async for _ in app.push_many([TASKS[task].job] * min(chunk, count - start), batch_size=chunk):
            pass


async def afill(task: str, count: int) -> None:
    await asend_many(task, count, 1_000)
