"""honker with its own worker: as it ships; and with async tasks that keep no results, the best its worker does here."""

from typing import Any

from benchmarks.contender import Command, Contender, python_module

WORKER = ("honker", "worker", "benchmarks.apps.honker_app:db", "--queue", "bench")


def honker(**row: Any) -> Contender:
    return Contender(
        family="honker",
        durability="synchronous=NORMAL (fixed), at least once",
        packages=("honker",),
        app="honker_app",
        workers=_workers,
        noops=20_000,
        naps=10_000,
        **row,
    )


def _workers(processes: int, concurrency: int | None) -> list[Command]:
    options = ["--concurrency", str(concurrency)] if concurrency else []
    return [python_module(*WORKER, *options) for _ in range(processes)]


CONTENDERS = (
    honker(name="honker", setting="as it ships", figures=frozenset({"noop", "enqueue", "latency", "idle"})),
    honker(
        name="honker tuned",
        setting="async tasks, no results",
        figures=frozenset({"noop", "noop2", "latency", "sleeps"}),
        tasks={"noop": "noop_async", "lag": "lag_async"},
        environment={"BENCH_RESULTS": "no"},
    ),
)
