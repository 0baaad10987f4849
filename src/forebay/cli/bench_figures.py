"""What `forebay bench` measures, one function a figure. Each says how it was taken; none judges.

Producers run for a fixed time, so that a slow disk costs as long as a quick one. What they enqueued is the backlog of
the workers. Latency is taken with the workers running, from this process to theirs.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from forebay.app import Forebay
from forebay.cli.bench_room import START, Fleet
from forebay.cli.progress import Bar
from forebay.produce.task import Task

#: Coroutines that enqueue at the same time, and messages in one call of enqueue_many.
PRODUCERS, CHUNK = 100, 1_000
#: Messages a second while latency is measured, and how many of the first do not count.
PACE, WARM_UP = 100, 20
#: Part of a backlog that runs before its rate is taken, so that the start of the workers does not count.
START_UP = 0.1
#: Seconds between looks, and the longest that one backlog may take.
LOOK, LONGEST = 0.02, 600.0

Nothing = Task[[], None, None]
Lateness = Task[[int], int, int]


class Figure(msgspec.Struct, frozen=True):
    """One result. `method` says in a few words how it was taken."""

    name: str
    value: float
    unit: str
    method: str


class Plan(msgspec.Struct, frozen=True):
    """How much to measure: seconds for each timed figure, messages in bulk, worker processes."""

    seconds: float
    messages: int
    processes: int


async def one_by_one(task: Nothing, seconds: float) -> Figure:
    """A loop of synchronous enqueues; it looks up now and then, so that Ctrl-C is heard."""
    with Bar("one by one", 100) as bar:
        start, sent = time.monotonic(), 0
        while (passed := time.monotonic() - start) < seconds:
            task.enqueue()
            sent += 1
            if bar.reach(int(100 * passed / seconds)):
                await asyncio.sleep(0)
    return Figure("enqueue, one by one", sent / passed, "/s", "each durable before the next")


async def at_once(task: Nothing, seconds: float) -> Figure:
    """Many coroutines, each awaiting one enqueue after the other."""
    start, sent = time.monotonic(), 0
    with Bar(f"{PRODUCERS} at a time", 100) as bar:

        async def produce() -> None:
            nonlocal sent
            while (passed := time.monotonic() - start) < seconds:
                await task.aenqueue()
                sent += 1
                bar.reach(int(100 * passed / seconds))

        await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    text = f"{PRODUCERS} coroutines, each durable before its next"
    return Figure(f"enqueue, {PRODUCERS} at a time", sent / (time.monotonic() - start), "/s", text)


async def in_bulk(task: Nothing, count: int) -> Figure:
    """The bulk call, in chunks."""
    start = time.monotonic()
    with Bar("in bulk", count) as bar:
        for first in range(0, count, CHUNK):
            chunk: list[Any] = [()] * min(CHUNK, count - first)
            await task.aenqueue_many(chunk)
            bar.advance(len(chunk))
    return Figure("enqueue_many", count / (time.monotonic() - start), "/s", f"{CHUNK:,} messages a transaction")


async def drained(app: Forebay, fleet: Fleet, processes: int) -> Figure:
    """Workers on the backlog; the rate from a tenth of it to its end."""
    total, done = sum(depth.ready for depth in await app.engine.depth(["bench"])), 0
    start, first = time.monotonic(), (0.0, 0)
    with Bar("no-op tasks", total) as bar:
        while done < total:
            await asyncio.sleep(LOOK)
            fleet.still_worth_it(start, START if done == 0 else LONGEST, "the backlog")
            done = sum(depth.done for depth in await app.engine.depth(["bench"]))
            bar.reach(done)
            if not first[1] and done >= total * START_UP:
                first = time.monotonic(), done
    passed, counted = time.monotonic() - first[0], total - first[1]
    name = f"no-op tasks, {processes} worker process{'es' if processes > 1 else ''}"
    return Figure(
        name, counted / passed if counted else float("nan"), "/s", f"the last {counted:,} of {total:,} waiting"
    )


async def latencies(task: Lateness, seconds: float) -> list[Figure]:
    """From enqueue here to the first line of the task there, at a steady pace."""
    handles: list[Any] = []
    start, count = time.monotonic(), WARM_UP + max(PACE // 2, int(PACE * seconds))
    with Bar("latency", count) as bar:
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / PACE - time.monotonic()))
            handles.append(await task.aenqueue(time.monotonic_ns()))
            bar.advance(1)
        late = [await handle.aresult(START) / 1e6 for handle in handles]
    late = sorted(late[WARM_UP:])
    text = f"{len(late)} messages at {PACE}/s from another process"
    return [
        Figure("enqueue to start, median", _rank(late, 0.5), "ms", text),
        Figure("enqueue to start, 99 of 100", _rank(late, 0.99), "ms", text),
    ]


def _rank(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def measure(
    app: Forebay, tasks: tuple[Nothing, Lateness], plan: Plan, fleet: Fleet, told: Callable[[Figure], None]
) -> None:
    """All figures, in order, each told as soon as it is known."""
    nothing, lateness = tasks
    told(await one_by_one(nothing, plan.seconds))
    told(await at_once(nothing, plan.seconds))
    told(await in_bulk(nothing, plan.messages))
    with fleet:
        told(await drained(app, fleet, plan.processes))
        for figure in await latencies(lateness, plan.seconds):
            told(figure)
