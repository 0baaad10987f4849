"""The bench's tasks on huey's SQLite storage.  It has no bulk call; filling commits often but without fsync."""

import os
from pathlib import Path

from huey import SqliteHuey

from benchmarks import meter

FILE = str(Path(os.environ["BENCH_ROOM"], "bench.db"))
WITHOUT_FSYNC = False if os.environ.get("BENCH_FILLING") else None  # None leaves SQLite's own default: FULL

huey = SqliteHuey("bench", filename=FILE, fsync=WITHOUT_FSYNC)


@huey.task()
def noop() -> None:
    meter.mark()


@huey.task()
def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    TASKS[task](*args)


def fill(task: str, count: int) -> None:
    for _ in range(count):
        send(task)
