"""The bench's tasks on TaskIQ's Redis brokers.  BENCH_BROKER is `stream`, which acknowledges, or `list`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from benchmarks import meter

KIND = {"stream": RedisStreamBroker, "list": ListQueueBroker}[os.environ.get("BENCH_BROKER", "stream")]
UVLOOP = True
broker = KIND(os.environ["BENCH_URL"], **({"consumer_id": "0"} if KIND is RedisStreamBroker else {}))


@broker.task
async def noop() -> None:
    meter.mark()


@broker.task
async def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def asend(task: str, *args: int) -> None:
    await TASKS[task].kiq(*args)


async def afill(task: str, count: int) -> None:
    for _ in range(count):
        await asend(task)
