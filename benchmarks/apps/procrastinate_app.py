"""The bench's tasks on Procrastinate: async tasks, and its asynchronous connector with a pool."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from benchmarks import meter

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_URL"]))


@app.task(queue="bench")
async def noop() -> None:
    meter.mark()


@app.task(queue="bench")
async def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def prepare() -> None:
    async def install() -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    asyncio.run(install())


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    async with app.open_async():
        yield


async def asend(task: str, *args: int) -> None:
    await TASKS[task].defer_async(**({"sent": args[0]} if args else {}))


async def asend_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        await TASKS[task].batch_defer_async(*({} for _ in range(min(chunk, count - start))))


async def afill(task: str, count: int) -> None:
    await asend_many(task, count, 1_000)
