"""FlexiQ on SQLite: as it ships (50 ms poll, one job a poll), and tuned (100 threads, batch 100, 1 ms poll)."""

from collections.abc import Mapping

from benchmarks.contender import Command, Contender, python_module


def flexiq(name: str, setting: str, figures: frozenset[str], noops: int, environment: Mapping[str, str]) -> Contender:
    return Contender(
        name=name,
        family="flexiq",
        setting=setting,
        durability="synchronous=NORMAL (fixed), at least once",
        packages=("flexiq",),
        app="flexiq_app",
        workers=_workers,
        figures=figures,
        noops=noops,
        environment=environment,
    )


def _workers(processes: int, concurrency: int) -> list[Command]:
    command = python_module("flexiq.cli", "worker", "--app", "benchmarks.apps.flexiq_app:queue")
    return [command for _ in range(processes)]


CONTENDERS = (
    flexiq("flexiq", "as it ships", frozenset({"noop", "enqueue", "latency", "idle"}), 400, {}),
    flexiq(
        "flexiq tuned",
        "100 threads, batch 100, 1 ms poll",
        frozenset({"noop", "noop2", "latency", "idle"}),
        10_000,
        {"BENCH_TUNED": "yes"},
    ),
)
