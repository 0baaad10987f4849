"""The bench's tasks on Forebay.  FOREBAY_URL names the file, BENCH_DURABILITY the SQLite setting."""

import asyncio
import os

from benchmarks import meter
from forebay import Forebay

app = Forebay(os.environ["FOREBAY_URL"], durability=os.environ.get("BENCH_DURABILITY", "full"))


@app.task(queue="bench")
def noop() -> None:
    meter.mark()


@app.task(queue="bench")
async def noop_async() -> None:
    meter.mark()


@app.task(queue="bench")
def lag(sent: int) -> None:
    meter.record_since(sent)


@app.task(queue="bench")
async def lag_async(sent: int) -> None:
    meter.record_since(sent)


@app.task(queue="bench")
async def nap() -> None:
    await asyncio.sleep(0.05)
    meter.mark()


TASKS = {"noop": noop, "noop_async": noop_async, "lag": lag, "lag_async": lag_async, "nap": nap}


def send(task: str, *args: int) -> None:
    TASKS[task].enqueue(*args)


async def asend(task: str, *args: int) -> None:
    await TASKS[task].aenqueue(*args)


def send_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        TASKS[task].enqueue_many([()] * min(chunk, count - start))


def fill(task: str, count: int) -> None:
    send_many(task, count, 10_000)
