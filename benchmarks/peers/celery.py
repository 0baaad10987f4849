"""Celery on Redis: as it ships (prefork, a child per core), and its quickest pool of one process, solo.

The thread and gevent pools and other prefetch settings were tried for no-op tasks and were slower.
"""

from benchmarks.contender import Command, Contender, python_module
from benchmarks.redis import DURABILITY

WORKER = ("celery", "-A", "benchmarks.apps.celery_app", "worker")
QUIET = ("--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat")


def celery(name: str, setting: str, figures: frozenset[str], noops: int, *options: str) -> Contender:
    def workers(processes: int, concurrency: int | None) -> list[Command]:
        return [python_module(*WORKER, *options, f"--hostname=bench{n}@localhost") for n in range(processes)]

    return Contender(
        name=name,
        family="celery",
        setting=setting,
        durability=f"{DURABILITY}, at most once",
        packages=("celery", "kombu", "redis", "hiredis"),
        app="celery_app",
        workers=workers,
        figures=figures,
        noops=noops,
        server="redis",
    )


CONTENDERS = (
    celery("celery", "as it ships: prefork", frozenset({"noop", "enqueue", "latency", "idle"}), 6_000),
    celery("celery solo", "-P solo, no gossip", frozenset({"noop", "noop2", "latency"}), 6_000, "-P", "solo", *QUIET),
)
