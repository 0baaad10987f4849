"""The bench's tasks on PgQueuer with asyncpg, its quickest driver.  BENCH_BATCH is how many it takes at a time.

Run as a module it serves, for its own command fails at its log level with the newest typer.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks import meter

UVLOOP = True
queries: Queries


def prepare() -> None:
    async def install() -> None:
        await Queries(AsyncpgDriver(await asyncpg.connect(os.environ["BENCH_URL"]))).install()

    asyncio.run(install())


async def main() -> PgQueuer:
    """What it serves."""
    app = PgQueuer(AsyncpgDriver(await asyncpg.connect(os.environ["BENCH_URL"])))

    @app.entrypoint("noop")
    async def noop(job: Job) -> None:
        meter.mark()

    @app.entrypoint("lag")
    async def lag(job: Job) -> None:
        meter.record_since(int(job.payload or b"0"))

    return app


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    global queries  # noqa: PLW0603
    async with asyncpg.create_pool(os.environ["BENCH_URL"], min_size=1, max_size=10) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        yield


async def asend(task: str, *args: int) -> None:
    await queries.enqueue(task, str(args[0]).encode() if args else None)


async def asend_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        n = min(chunk, count - start)
        await queries.enqueue([task] * n, [None] * n, [0] * n)


async def afill(task: str, count: int) -> None:
    await asend_many(task, count, 1_000)


async def serve() -> None:
    app = await main()
    await app.run(batch_size=int(os.environ.get("BENCH_BATCH", "10")))


if __name__ == "__main__":
    import uvloop  # as its own command does

    uvloop.run(serve())
