"""honker with its own worker: as it ships; and with async tasks that keep no results, the best its worker does here."""

from collections.abc import Mapping

from benchmarks.contender import Command, Contender, python_module

WORKER = ("honker", "worker", "benchmarks.apps.honker_app:db", "--queue", "bench")
ASYNC = {"noop": "noop_async", "lag": "lag_async"}


def honker(
    name: str, setting: str, figures: frozenset[str], tasks: Mapping[str, str], environment: Mapping[str, str]
) -> Contender:
    def workers(processes: int, concurrency: int) -> list[Command]:
        return [python_module(*WORKER) for _ in range(processes)]

    return Contender(
        name=name,
        family="honker",
        setting=setting,
        durability="synchronous=NORMAL (fixed), at least once",
        packages=("honker",),
        app="honker_app",
        workers=workers,
        figures=figures,
        noops=20_000,
        tasks=tasks,
        environment=environment,
    )


CONTENDERS = (
    honker("honker", "as it ships", frozenset({"noop", "enqueue", "latency", "idle"}), {}, {}),
    honker(
        "honker tuned",
        "async tasks, no results",
        frozenset({"noop", "noop2", "latency"}),
        ASYNC,
        {"BENCH_RESULTS": "no"},
    ),
)
