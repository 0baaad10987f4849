"""What the disk and SQLite alone need here, in a process of its own: `python -m benchmarks.floor FOLDER` prints JSON.

No part of Forebay runs but its schema and its statements, so these are the figures that no code above can go below.
"""

import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from forebay.engine.sqlite import schema
from forebay.engine.sqlite.rows import sql
from forebay.model.ids import new_id

SAMPLES, PACE = 300, 0.01
WARM_UP = 3_000  # until the log is written over and grows no more, as in a file that has been in use
PAGES = b"\0" * 4096 * 4  # what one enqueue changes: message, id, order, tally
TALLY = "insert into tally (queue, name, n) values ('q', 'ready', 1) on conflict do update set n = n + 1"


def median(act: Callable[[], object], pause: float) -> float:
    """Median seconds of one act, back to back or at a pace."""
    took: list[float] = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        act()
        took.append(time.perf_counter() - start)
        if pause:
            time.sleep(pause)
    return statistics.median(took)


def disk(folder: Path) -> dict[str, float]:
    """A write of four pages and its sync, over and over at the same place."""
    file = os.open(folder / "floor.bin", os.O_RDWR | os.O_CREAT)

    def write() -> None:
        os.pwrite(file, PAGES, 0)
        os.fdatasync(file)

    write()
    return {"sync_ms": median(write, 0) * 1000, "two_paced_ms": 2 * median(write, PACE) * 1000}


def sqlite(folder: Path) -> dict[str, float]:
    """One message in one transaction at FULL, with our tables and our statement."""
    db = apsw.Connection(str(folder / "floor.db"))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    schema.check(db, "floor.db", migrate=True)
    numbers = itertools.count(1)

    def insert() -> None:
        db.execute("begin immediate")
        form = "q", "", 1, 0, 0.0, None, None, None, None, "noop", None, None, 1
        db.execute(sql("publish"), (new_id(), *form, b"\x80", next(numbers)))
        db.execute(TALLY)
        db.execute("commit")

    paced = median(insert, PACE)
    for _ in range(WARM_UP):
        insert()
    return {"bare_per_second": 1 / median(insert, 0), "two_bare_ms": 2 * paced * 1000}


def main() -> None:
    folder = Path(sys.argv[1])
    print(json.dumps({**disk(folder), **sqlite(folder)}))


if __name__ == "__main__":
    main()
