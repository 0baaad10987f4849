"""The bench's tasks on honker's queue and decorators.  BENCH_RESULTS=no leaves the results of tasks out."""

import asyncio
import os
from pathlib import Path

import honker

from benchmarks import meter

KEEP = os.environ.get("BENCH_RESULTS") != "no"
db = honker.open(str(Path(os.environ["BENCH_ROOM"], "bench.db")))
queue = db.queue("bench")


@queue.task(store_result=KEEP)
def noop() -> None:
    meter.mark()


@queue.task(store_result=KEEP)
async def noop_async() -> None:
    meter.mark()


@queue.task(store_result=KEEP)
def lag(sent: int) -> None:
    meter.record_since(sent)


@queue.task(store_result=KEEP)
async def lag_async(sent: int) -> None:
    meter.record_since(sent)


@queue.task(store_result=KEEP)
async def nap() -> None:
    await asyncio.sleep(0.05)
    meter.mark()


TASKS = {"noop": noop, "noop_async": noop_async, "lag": lag, "lag_async": lag_async, "nap": nap}


def send(task: str, *args: int) -> None:
    TASKS[task](*args)


def send_many(task: str, count: int, chunk: int) -> None:
    """Its documented bulk way, a shared transaction; the payload is the one its task wrapper makes."""
    payload = {"__honker_task__": {"task": TASKS[task].name, "args": [], "kwargs": {}}}
    for start in range(0, count, chunk):
        with db.transaction() as transaction:
            for _ in range(min(chunk, count - start)):
                queue.enqueue(payload, tx=transaction)


def fill(task: str, count: int) -> None:
    send_many(task, count, 1_000)
