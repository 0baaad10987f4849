"""PostgreSQL while somebody holds a snapshot: `python -m benchmarks.snapshot SECONDS RATE` prints JSON.

Messages go through at a fixed rate for a while, then as many as can for a few seconds; first freely, then with a
transaction open elsewhere that looked before all of it, so that no dead row may be taken away. Dead tuples, WAL and
commits are the server's own numbers.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from typing import Any

import psycopg

from forebay.config import Settings
from forebay.engine.backend import Whole
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement

BATCH, QUICK = 100, 4.0
BODY = b"\x81\xa4name\xa5hello"
NUMBERS = """select (select sum(n_dead_tup) from pg_stat_user_tables), pg_current_wal_lsn() - '0/0'::pg_lsn,
    (select xact_commit from pg_stat_database where datname = current_database())"""


async def cycle(engine: Whole) -> int:
    await engine.publish([Message(id=new_id(), queue="q", body=BODY) for _ in range(BATCH)])
    leased = await engine.lease(Want("bench", ("q",), BATCH))
    await engine.settle("bench", [Settlement(one, Ack(keep=0.0)) for one in leased.deliveries])
    return len(leased.deliveries)


async def paced(engine: Whole, seconds: float, rate: float) -> int:
    start, done = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        done += await cycle(engine)
        await asyncio.sleep(max(0.0, start + done / rate - time.monotonic()))
    return done


async def quick(engine: Whole) -> float:
    """Messages a second through whole cycles: the median."""
    start, took = time.monotonic(), list[float]()
    while time.monotonic() < start + QUICK:
        before = time.perf_counter()
        await cycle(engine)
        took.append(time.perf_counter() - before)
    return BATCH / statistics.median(took)


def numbers(url: str) -> tuple[float, ...]:
    time.sleep(1.1)  # statistics come late
    with psycopg.connect(url) as connection:
        row: Any = connection.execute(NUMBERS).fetchone()
        return tuple(float(one or 0) for one in row)


async def measure(url: str, seconds: float, rate: float) -> dict[str, float]:
    engine = build(Settings(url=url), SystemClock())
    await engine.open()
    await engine.extend([Beat(worker="bench", lease=3600.0)])
    await paced(engine, 1.0, rate)
    free = await quick(engine)
    with psycopg.connect(url) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from pg_class").fetchone()
        before = numbers(url)
        done = await paced(engine, seconds, rate)
        after = numbers(url)
        held = await quick(engine)
    await engine.close()
    dead, wal, commits = (new - old for new, old in zip(after, before, strict=True))
    return {
        "ratio": held / free, "free": free, "held": held,
        "dead": dead / 1000, "wal": wal / done, "commits": commits / done,
    }  # fmt: skip


def main() -> None:
    seconds, rate = map(float, sys.argv[1:])
    print(json.dumps(asyncio.run(measure(os.environ["FOREBAY_URL"], seconds, rate))))


if __name__ == "__main__":
    main()
