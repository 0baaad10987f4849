"""FlexiQ on SQLite: as it ships (50 ms poll, one job a poll), and tuned for throughput.

Tuned tasks are async, because its thread pool did half as much with plain ones at any number of threads; more than 100
jobs a poll, or its push dispatch, changed nothing.
"""

import json
from typing import Any

from benchmarks.contender import Command, Contender, python_module

OPTIONS = {"workers": 100, "async_concurrency": 1_000, "scheduler_batch_size": 100, "scheduler_poll_interval_ms": 1}


def flexiq(**row: Any) -> Contender:
    return Contender(
        family="flexiq",
        durability="synchronous=NORMAL (fixed), at least once",
        packages=("flexiq",),
        app="flexiq_app",
        workers=_workers,
        naps=10_000,
        **row,
    )


def _workers(processes: int, concurrency: int | None) -> list[Command]:
    command = python_module("flexiq.cli", "worker", "--app", "benchmarks.apps.flexiq_app:queue")
    return [command for _ in range(processes)]


CONTENDERS = (
    flexiq(
        name="flexiq",
        setting="as it ships",
        figures=frozenset({"noop", "enqueue", "latency", "idle"}),
        noops=400,
    ),
    flexiq(
        name="flexiq tuned",
        setting="async tasks, 1,000 at a time, batch 100, 1 ms poll, no log lines",
        figures=frozenset({"noop", "noop2", "latency", "sleeps", "idle"}),
        noops=12_000,
        tasks={"noop": "noop_async", "lag": "lag_async"},
        environment={"BENCH_OPTIONS": json.dumps(OPTIONS), "FLEXIQ_LOG_LEVEL": "WARNING"},
    ),
)
