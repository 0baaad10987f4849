"""The engine under backlogs, in a process of its own: `python -m benchmarks.backlog FOLDER ROUNDS SHAPE …` prints JSON.

Each shape is a file of its own, and each round does one cycle in every one of them, in another order each time, so that
a slow moment of the machine, or a costly neighbour, meets all alike. A cycle leases 100 messages, settles them, and
publishes as many, which keeps the backlog.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forebay.config import Settings
from forebay.engine.backend import Whole
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.observe.snapshot import take

BATCH, FILL = 100, 20_000
LOOK_EVERY = 10
HOUR = 3600.0
BODY = b"\x81\xa4name\xa5hello"


def plain(number: int) -> Message:
    return Message(id=new_id(), queue="q", body=BODY)


def many_queues(number: int) -> Message:
    return Message(id=new_id(), queue=f"q{number % 1000}", body=BODY)


def many_keys(number: int) -> Message:
    return Message(id=new_id(), queue="q", key=f"tenant-{number % 100_000}", body=BODY)


def later(number: int) -> Message:
    return Message(id=new_id(), queue="q", body=BODY, delay=HOUR if number % 101 else 0.0)


#: Shape -> how many messages wait, and what each is.
SHAPES: dict[str, tuple[int, Callable[[int], Message]]] = {
    "1k": (1_000, plain),
    "10k": (10_000, plain),
    "1m": (1_000_000, plain),
    "10m": (10_000_000, plain),
    "queues": (100_000, many_queues),
    "keys": (100_000, many_keys),
    "scheduled": (101_000, later),
}


@dataclass
class Place:
    """One engine with its backlog, and the seconds that its verbs took."""

    engine: Whole
    make: Callable[[int], Message]
    queues: tuple[str, ...]
    leases: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    made: int = 0

    def messages(self, count: int) -> list[Message]:
        self.made += count
        return [self.make(number) for number in range(self.made - count, self.made)]

    async def cycle(self) -> None:
        start = time.perf_counter()
        leased = await self.engine.lease(Want("bench", self.queues, BATCH))
        self.leases.append(time.perf_counter() - start)
        await self.engine.settle("bench", [Settlement(one, Ack(keep=0.0)) for one in leased.deliveries])
        fresh = [self.make(number * 101 if self.make is later else number) for number in range(len(leased.deliveries))]
        await self.engine.publish(fresh)
        self.cycles.append(time.perf_counter() - start)

    async def look(self) -> None:
        """What `forebay queues` and `forebay top` read."""
        start = time.perf_counter()
        await take(self.engine, self.engine)
        self.looks.append(time.perf_counter() - start)

    def figures(self) -> dict[str, float]:
        """Milliseconds, and messages a second through whole cycles."""
        ordered = sorted(self.leases)
        return {
            "p50": statistics.median(ordered) * 1000,
            "p99": ordered[len(ordered) * 99 // 100] * 1000,
            "per_second": BATCH / statistics.median(self.cycles),
            "look": statistics.median(self.looks) * 1000,
        }


async def open_place(folder: Path, shape: str) -> Place:
    server = os.environ.get("BENCH_URL")  # one for all shapes, each in a namespace of its own
    own = Settings(url=f"sqlite:///{folder}/{shape}.db")
    engine = build(Settings(url=server, namespace=f"bench_{shape}") if server else own, SystemClock())
    await engine.open()
    count, make = SHAPES[shape]
    place = Place(engine, make, tuple(f"q{n}" for n in range(1000)) if shape == "queues" else ("q",))
    for start in range(0, count, FILL):
        await engine.publish(place.messages(min(FILL, count - start)))
    await engine.extend([Beat(worker="bench", lease=HOUR)])
    return place


async def measure(folder: Path, rounds: int, shapes: Sequence[str]) -> dict[str, float]:
    places = {shape: await open_place(folder, shape) for shape in shapes}
    for number in range(rounds):
        for place in random.sample(list(places.values()), len(places)):
            await place.cycle()
            if number % LOOK_EVERY == 0:
                await place.look()
    for place in places.values():
        await place.engine.close()
    return {f"{shape}_{key}": value for shape, place in places.items() for key, value in place.figures().items()}


def main() -> None:
    folder, rounds, *shapes = sys.argv[1:]
    print(json.dumps(asyncio.run(measure(Path(folder), int(rounds), shapes))))


if __name__ == "__main__":
    main()
