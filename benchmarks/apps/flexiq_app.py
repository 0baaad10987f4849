"""The bench's tasks on FlexiQ's SQLite backend.  BENCH_OPTIONS holds arguments of its queue, as JSON."""

import asyncio
import json
import os
from pathlib import Path

from flexiq import Queue

from benchmarks import meter

OPTIONS = json.loads(os.environ.get("BENCH_OPTIONS", "{}"))

queue = Queue(db_path=str(Path(os.environ["BENCH_ROOM"], "bench.db")), **OPTIONS)


@queue.task()
async def noop_async() -> None:
    meter.mark()


@queue.task()
def noop() -> None:
    meter.mark()


@queue.task()
def lag(sent: int) -> None:
    meter.record_since(sent)


@queue.task()
async def lag_async(sent: int) -> None:
    meter.record_since(sent)


@queue.task()
async def nap() -> None:
    await asyncio.sleep(0.05)
    meter.mark()


TASKS = {"noop": noop, "noop_async": noop_async, "lag": lag, "lag_async": lag_async, "nap": nap}


def send(task: str, *args: int) -> None:
    TASKS[task].delay(*args)


def send_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        TASKS[task].map([()] * min(chunk, count - start))


def fill(task: str, count: int) -> None:
    send_many(task, count, 1_000)
