"""Who runs on Redis, each as its documentation recommends for speed, on a server that appends and syncs each second.

Where what it recommends and what we found quickest differ, the quicker one stands here; the README says what was tried.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.contender import PEERS, Command, Contender, peer_program, python_module
from benchmarks.redis import APPENDS

FIGURES = frozenset({"noop", "noop2", "enqueue", "latency"})
OURS = FIGURES | {"backlog", "bare"}
LEAST, MOST = f"{APPENDS}; at least once", f"{APPENDS}; at most once"
Options = Callable[[int], list[list[str]]]


def peer(name: str, setting: str, promise: str, app: str, commands: Options, **more: Any) -> Contender:
    """A row of a peer; `commands` says what to run, by the number of processes."""

    python = str(more.get("python", PEERS))

    def workers(processes: int, concurrency: int | None) -> list[Command]:
        return [peer_program(python, *words) for words in commands(processes)]

    family = name.split(maxsplit=1)[0]
    return Contender(
        **{
            "name": name, "family": family, "setting": setting, "durability": promise, "packages": (family,),
            "app": app, "workers": workers, "figures": FIGURES, "noops": 6_000, "bulk": 20_000, "server": "redis aof",
            "python": str(PEERS), **more,
        }
    )  # fmt: skip


def forebay(name: str, setting: str, server: str, promise: str, *drivers: str, **more: Any) -> Contender:
    """A row of ours."""

    def workers(processes: int, concurrency: int | None) -> list[Command]:
        locator = "-A", "benchmarks.apps.forebay_app:app", "-Q", "bench"
        return [python_module("forebay", "worker", *locator, "-c", str(concurrency or 100), "-p", str(processes))]

    return Contender(
        **{
            "name": name, "family": "forebay", "setting": setting, "durability": promise, "server": server,
            "packages": ("forebay", *drivers, "msgspec", "uvloop"), "app": "forebay_app", "workers": workers,
            "noops": 200_000, **more,
        }
    )  # fmt: skip


def same(*words: str) -> Options:
    """One command for each process."""
    return lambda processes: [list(words)] * processes


QUIET = "--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"
TASKIQ = "taskiq", "worker", "benchmarks.apps.taskiq_app:broker", "--log-level", "ERROR", "--max-async-tasks", "100"


def _taskiq(processes: int) -> list[list[str]]:
    return [[*TASKIQ, "--workers", str(processes)]]


def _celery(processes: int) -> list[list[str]]:
    words = ["celery", "-A", "benchmarks.apps.celery_app", "worker", "-P", "solo", *QUIET]
    return [[*words, f"--hostname=bench{n}@localhost"] for n in range(processes)]


CONTENDERS: tuple[Contender, ...] = (
    forebay("forebay", "as it ships, plain def tasks, -c 100", "redis aof", LEAST, "redis", "hiredis", figures=OURS),
    forebay(
        "forebay async",
        "as it ships, async def tasks, -c 100",
        "redis aof",
        LEAST,
        "redis",
        "hiredis",
        figures=FIGURES - {"enqueue"},
        tasks={"noop": "noop_async", "lag": "lag_async"},
    ),
    peer(
        "dramatiq",
        "-t 8, as it ships",
        LEAST,
        "dramatiq_app",
        lambda n: [["dramatiq", "benchmarks.apps.dramatiq_app", "-p", str(n), "-t", "8"]],
    ),
    peer(
        "taskiq", "RedisStreamBroker, 100 at a time", LEAST, "taskiq_app", _taskiq, packages=("taskiq", "taskiq-redis")
    ),
    peer(
        "taskiq list",
        "ListQueueBroker, 100 at a time",
        MOST,
        "taskiq_app",
        _taskiq,
        packages=("taskiq", "taskiq-redis"),
        environment={"BENCH_BROKER": "list"},
    ),
    peer(
        "saq",
        "concurrency 100",
        LEAST,
        "saq_app",
        same("saq", "benchmarks.apps.saq_app.settings", "--quiet"),
        noops=3_000,
        environment={"BENCH_CONCURRENCY": "100"},
    ),
    peer(
        "streaq",
        "concurrency 100, uvloop, no results",
        LEAST,
        "streaq_app",
        lambda n: [["streaq", "run", "benchmarks.apps.streaq_app:worker", "--workers", str(n)]],
        noops=2_000,
        environment={"BENCH_CONCURRENCY": "100"},
    ),
    peer(
        "celery",
        "-P solo, no gossip",
        MOST,
        "celery_app",
        _celery,
        noops=3_000,
        packages=("celery", "kombu", "redis", "hiredis"),
    ),
    peer(
        "huey",
        "4 threads, quiet, no results",
        MOST,
        "huey_redis_app",
        same("huey_consumer", "benchmarks.apps.huey_redis_app.huey", "--quiet", "--no-periodic", "-w", "4"),
    ),
    peer(
        "potatoq",
        "-c 1 -t 8, no results",
        LEAST,
        "potatoq_app",
        lambda n: [["potatoq", "-A", "benchmarks.apps.potatoq_app", "worker", "-c", str(n), "-t", "8", "-l", "ERROR"]],
    ),
    peer(
        "rq",
        "SimpleWorker, no results",
        LEAST,
        "rq_app",
        noops=500,
        commands=same("rq", "worker", "bench", "-w", "rq.worker.SimpleWorker", "-q"),
    ),
)
