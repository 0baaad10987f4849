"""Forebay on one SQLite file: plain and async tasks at FULL durability, and the same with `durability="normal"`."""

from benchmarks.contender import Command, Contender, python_module

FULL = "synchronous=FULL, at least once"
NORMAL = "synchronous=NORMAL, at least once"
ASYNC = {"noop": "noop_async", "lag": "lag_async"}
ALL = frozenset({"noop", "noop2", "enqueue", "latency", "sleeps", "idle", "backlog", "floor", "limits"})


def forebay(
    name: str, setting: str, durability: str, figures: frozenset[str], level: str = "full", **tasks: str
) -> Contender:
    return Contender(
        name=name,
        family="forebay",
        setting=setting,
        durability=durability,
        packages=("forebay", "apsw", "msgspec", "uvloop"),
        app="forebay_app",
        workers=_workers,
        figures=figures,
        noops=150_000,
        naps=50_000,
        tasks=tasks,
        environment={"BENCH_DURABILITY": level},
    )


def _workers(processes: int, concurrency: int | None) -> list[Command]:
    locator = ("-A", "benchmarks.apps.forebay_app:app", "-Q", "bench")
    return [python_module("forebay", "worker", *locator, "-c", str(concurrency or 100), "-p", str(processes))]


CONTENDERS = (
    forebay("forebay", "as it ships, plain def tasks, -c 100", FULL, ALL - {"sleeps"}),
    forebay(
        "forebay async",
        "as it ships, async def tasks, -c 100",
        FULL,
        ALL - {"enqueue", "idle", "backlog", "floor", "limits"},
        **ASYNC,
    ),
    forebay("forebay normal", 'durability="normal", plain def tasks', NORMAL, frozenset({"noop", "enqueue"}), "normal"),
)
