"""Celery on Redis: as it ships (prefork, a child per core), and its two pools of one process, solo and threads."""

from benchmarks.contender import Command, Contender, python_module
from benchmarks.redis import DURABILITY

WORKER = ("celery", "-A", "benchmarks.apps.celery_app", "worker")
QUIET = ("--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat")


def celery(name: str, setting: str, figures: frozenset[str], noops: int, *options: str) -> Contender:
    def workers(processes: int, concurrency: int) -> list[Command]:
        return [python_module(*WORKER, *options, f"--hostname=bench{n}@localhost") for n in range(processes)]

    return Contender(
        name=name,
        family="celery",
        setting=setting,
        durability=f"{DURABILITY}, at most once",
        packages=("celery", "kombu", "redis"),
        app="celery_app",
        workers=workers,
        figures=figures,
        noops=noops,
        environment={} if name == "celery" else {"BENCH_PREFETCH": "100"},
        redis=True,
    )


CONTENDERS = (
    celery("celery", "as it ships: prefork", frozenset({"noop", "enqueue", "latency", "idle"}), 10_000),
    celery(
        "celery solo", "-P solo, prefetch 100", frozenset({"noop", "noop2", "latency"}), 10_000, "-P", "solo", *QUIET
    ),
    celery(
        "celery threads",
        "-P threads -c 10, prefetch 100",
        frozenset({"noop"}),
        10_000,
        "-P",
        "threads",
        "-c",
        "10",
        *QUIET,
    ),
)
