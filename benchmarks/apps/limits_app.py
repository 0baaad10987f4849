"""The tasks of the limits scenario: what is to be shown is how often, and how many at once, they run.

FOREBAY_URL names the engine, SCENARIO_DONE the file where each run says when it began, and when it ended.
"""

import asyncio
import os
import time

from benchmarks.scenarios.terms import KEY_RATE, SLOTS
from forebay import Context, Forebay

app = Forebay(os.environ["FOREBAY_URL"])
app.queue("keys", key_rate=KEY_RATE, key_burst=1)
app.queue("slots", concurrency=SLOTS)
app.queue("bound", rate="1_000_000/s", concurrency=100_000)
app.queue("free")
_file = os.open(os.environ["SCENARIO_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_counts: dict[str, int] = {}


def say(*words: object) -> None:
    os.write(_file, (" ".join(map(str, words)) + f" {time.monotonic():.4f}\n").encode())


@app.task(queue="keys")
async def keyed(context: Context) -> None:
    say("key", context.key)


@app.task(queue="free")
async def beside(context: Context) -> None:
    say("beside", context.id)


@app.task(queue="slots")
async def slot(context: Context, seconds: float) -> None:
    run = f"{context.id}/{context.attempt}"
    say("begin", run, os.getpid())
    await asyncio.sleep(seconds)
    say("end", run, os.getpid())


@app.task(queue="bound")
async def bound(first: int, last: int) -> None:
    count("bound", first, last)


@app.task(queue="free")
async def free(first: int, last: int) -> None:
    count("free", first, last)


def count(name: str, first: int, last: int) -> None:
    """Say when the first and the last of some were run, in one process."""
    _counts[name] = number = _counts.get(name, 0) + 1
    if number in (first, last):
        say("count", name, number)
