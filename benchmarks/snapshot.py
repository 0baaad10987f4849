"""PostgreSQL while somebody holds a snapshot: `python -m benchmarks.snapshot SECONDS RATE` prints JSON.

Two databases of one server do the same cycles in turn, so that a slow moment meets both; in one of them a transaction
stays open that looked before all of it, so that no dead row may be taken away there. First at a fixed rate, then as
quickly as they can. Dead tuples, WAL and commits are the server's own numbers of the one that is held.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from benchmarks import postgres
from forebay.config import Settings
from forebay.engine.backend import Whole
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement

BATCH, QUICK = 100, 6.0
BODY = b"\x81\xa4name\xa5hello"
#: WAL is the whole server's, of which each of the two has about half.
NUMBERS = """select (select sum(n_dead_tup) from pg_stat_user_tables), pg_current_wal_lsn() - '0/0'::pg_lsn,
    (select xact_commit from pg_stat_database where datname = current_database())"""


async def cycle(engine: Whole) -> int:
    await engine.publish([Message(id=new_id(), queue="q", body=BODY) for _ in range(BATCH)])
    leased = await engine.lease(Want("bench", ("q",), BATCH))
    await engine.settle("bench", [Settlement(one, Ack(keep=0.0)) for one in leased.deliveries])
    return len(leased.deliveries)


async def paced(engines: Sequence[Whole], seconds: float, rate: float) -> int:
    """At this rate in each of them; how many went through each."""
    start, done = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        through = [await cycle(engine) for engine in engines]
        done += min(through)
        await asyncio.sleep(max(0.0, start + done / rate - time.monotonic()))
    return done


async def quick(engines: Sequence[Whole]) -> list[float]:
    """Messages a second through whole cycles of each: the medians."""
    start, took = time.monotonic(), [list[float]() for _ in engines]
    while time.monotonic() < start + QUICK:
        for engine, times in zip(engines, took, strict=True):
            before = time.perf_counter()
            await cycle(engine)
            times.append(time.perf_counter() - before)
    return [BATCH / statistics.median(times) for times in took]


def numbers(url: str) -> tuple[float, ...]:
    time.sleep(1.1)  # statistics come late
    with psycopg.connect(url) as connection:
        row: Any = connection.execute(NUMBERS).fetchone()
        return tuple(float(one or 0) for one in row)


async def opened(url: str) -> Whole:
    engine = build(Settings(url=url), SystemClock())
    await engine.open()
    await engine.extend([Beat(worker="bench", lease=3600.0)])
    return engine


async def measure(url: str, other: str, seconds: float, rate: float) -> dict[str, float]:
    engines = [await opened(url), await opened(other)]
    await paced(engines, 1.0, rate)
    with psycopg.connect(url) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from pg_class").fetchone()
        before = numbers(url)
        done = await paced(engines, seconds, rate)
        after = numbers(url)
        held, free = await quick(engines)
    for engine in engines:
        await engine.close()
    dead, wal, commits = (new - old for new, old in zip(after, before, strict=True))
    return {
        "ratio": held / free, "free": free, "held": held,
        "dead": dead / 1000, "wal": wal / 2 / done, "commits": commits / done,
    }  # fmt: skip


def main() -> None:
    seconds, rate = map(float, sys.argv[1:])
    with postgres.database() as other:
        print(json.dumps(asyncio.run(measure(os.environ["FOREBAY_URL"], other, seconds, rate))))


if __name__ == "__main__":
    main()
