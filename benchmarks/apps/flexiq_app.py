"""The bench's tasks on FlexiQ's SQLite backend.  BENCH_TUNED=yes sets its scheduler for throughput."""

import os
from pathlib import Path

from flexiq import Queue

from benchmarks import meter

TUNED = {"workers": 100, "scheduler_batch_size": 100, "scheduler_poll_interval_ms": 1}

queue = Queue(
    db_path=str(Path(os.environ["BENCH_ROOM"], "bench.db")),
    **(TUNED if os.environ.get("BENCH_TUNED") else {}),
)


@queue.task()
def noop() -> None:
    meter.mark()


@queue.task()
def lag(sent: int) -> None:
    meter.record_since(sent)


TASKS = {"noop": noop, "lag": lag}


def send(task: str, *args: int) -> None:
    TASKS[task].delay(*args)


def send_many(task: str, count: int, chunk: int) -> None:
    for start in range(0, count, chunk):
        TASKS[task].map([()] * min(chunk, count - start))


def fill(task: str, count: int) -> None:
    send_many(task, count, 1_000)
