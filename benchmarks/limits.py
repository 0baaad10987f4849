"""What limits cost, in a process of its own: `python -m benchmarks.limits FOLDER MESSAGES PARKED` prints JSON.

The bounded engine and the plain one do the same cycles in turn, so that a slow moment of the machine meets both:
publish 100, lease 100, settle them, with a short backlog over 10,000 keys. Leases are timed beside 50,000 lanes that
have run empty, and with one. A gate is opened in front of many parked messages while somebody publishes.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import Sqlite
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec

KEYS, LANES, BATCH, BACKLOG = 10_000, 50_000, 100, 20
BODY = b"\x81\xa4name\xa5hello"


def message(key: int, task: str = "") -> Message:
    return Message(id=new_id(), queue="q", task=task, key=f"tenant-{key}", body=BODY)


async def opened(path: Path, **bounds: Any) -> Sqlite:
    engine = Sqlite(Settings(url=f"sqlite:///{path}"), SystemClock())
    await engine.open()
    await engine.declare([QueueSpec(name="q", **bounds)])
    await engine.extend([Beat(worker="bench", lease=1e6)])
    return engine


async def cycle(engine: Sqlite, keys: Iterator[int]) -> tuple[float, float, int]:
    """CPU seconds of a cycle, seconds of its lease, and messages that went through."""
    cpu = time.process_time()
    await engine.publish([message(next(keys)) for _ in range(BATCH)])
    start = time.perf_counter()
    leased = (await engine.lease(Want("bench", ["q"], BATCH))).deliveries
    took = time.perf_counter() - start
    await engine.settle("bench", [Settlement(one, Ack(keep=0.0)) for one in leased])
    return time.process_time() - cpu, took, len(leased)


async def cost(folder: Path, messages: int) -> dict[str, float]:
    """CPU a message: with a rate on each key, and without."""
    engines = {
        "plain": await opened(folder / "plain.db"),
        "rate": await opened(folder / "rate.db", key_rate=1000.0),
        "slots": await opened(folder / "slots.db", key_concurrency=10),
    }
    chance = random.Random(1)
    keys = {name: iter(lambda: chance.randrange(KEYS), -1) for name in engines}
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for name, engine in engines.items():
        await engine.publish([message(next(keys[name])) for _ in range(BACKLOG * BATCH)])
    for number in range(messages // BATCH):
        for name, engine in engines.items():
            cpu, _, count = await cycle(engine, keys[name])
            if count and number > BACKLOG:
                spent[name].append(cpu / count)
    for engine in engines.values():
        await engine.close()
    middle = {name: statistics.mean(values) * 1e6 for name, values in spent.items()}
    return {
        "plain_us": middle["plain"],
        "rate_ratio": middle["rate"] / middle["plain"],
        "slots_ratio": middle["slots"] / middle["plain"],
    }


async def leases(folder: Path, rounds: int) -> dict[str, float]:
    """p99 of a lease of 100 beside 50,000 lanes that have run empty, and of one lane."""
    many = await opened(folder / "many.db", key_concurrency=1000)
    one = await opened(folder / "one.db", key_concurrency=1000)
    for start in range(0, LANES, 5_000):
        await many.publish([message(key) for key in range(start, start + 5_000)])
        leased = (await many.lease(Want("bench", ["q"], 5_000))).deliveries
        await many.settle("bench", [Settlement(each, Ack(keep=0.0)) for each in leased])
    found: dict[str, list[float]] = {"many": [], "one": []}
    for _ in range(rounds):
        for name, engine in random.sample([("many", many), ("one", one)], 2):
            found[name].append((await cycle(engine, iter(lambda: LANES, -1)))[1])
    await many.close()
    await one.close()
    return {f"{name}_p99": sorted(took)[len(took) * 99 // 100] * 1000 for name, took in found.items()}


async def gate(folder: Path, parked: int) -> dict[str, float]:
    """Milliseconds to open a gate in front of many, and the longest that a publish took meanwhile."""
    engine = await opened(folder / "gate.db")
    await engine.close_gate("q", task="send")
    for start in range(0, parked, 5_000):
        await engine.publish([message(0, "send") for _ in range(min(5_000, parked - start))])
    longest, ended = 0.0, asyncio.Event()

    async def publish() -> None:
        nonlocal longest
        while not ended.is_set():
            start = time.perf_counter()
            await engine.publish([message(1)])
            longest = max(longest, time.perf_counter() - start)

    publisher = asyncio.create_task(publish())
    await asyncio.sleep(0.2)
    usual, longest = longest, 0.0
    start = time.perf_counter()
    await engine.open_gate("q", task="send")
    took = time.perf_counter() - start
    await asyncio.sleep(0.2)
    ended.set()
    await publisher
    await engine.close()
    return {"open_ms": took * 1000, "publish_ms": longest * 1000, "publish_before_ms": usual * 1000}


async def measure(folder: Path, messages: int, parked: int) -> dict[str, float]:
    return {
        **await cost(folder, messages),
        **await leases(folder, max(100, messages // 100)),
        **await gate(folder, parked),
    }


def main() -> None:
    folder, messages, parked = sys.argv[1:]
    print(json.dumps(asyncio.run(measure(Path(folder), int(messages), int(parked)))))


if __name__ == "__main__":
    main()
