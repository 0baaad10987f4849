"""Who runs on PostgreSQL, each as its documentation recommends for speed; each commit on the disk before its answer."""

from benchmarks.contender import NEWER, PEERS, Contender
from benchmarks.peers.on_redis import FIGURES, forebay, peer, same
from benchmarks.postgres import DURABILITY

PROMISE = f"{DURABILITY}; at least once"
HERE = {"server": "postgres", "python": str(PEERS)}


def chancy(at_a_time: int) -> Contender:
    return peer(
        "chancy", f"async executor, eager polling, concurrency {at_a_time}", PROMISE, "chancy_app",
        same("chancy", "--app", "benchmarks.apps.chancy_app.app", "worker", "start"), **HERE, prepares=True,
        environment={"BENCH_CONCURRENCY": str(at_a_time)},
    )  # fmt: skip


CONTENDERS: tuple[Contender, ...] = (
    forebay(
        "forebay",
        "as it ships, plain def tasks, -c 100",
        "postgres",
        PROMISE,
        "psycopg",
        figures=FIGURES | {"backlog", "bare", "snapshot"},
    ),
    forebay(
        "forebay async",
        "as it ships, async def tasks, -c 100",
        "postgres",
        PROMISE,
        "psycopg",
        figures=FIGURES - {"enqueue"},
        tasks={"noop": "noop_async", "lag": "lag_async"},
    ),
    peer(
        "pgqueuer",
        "asyncpg, batch size 100",
        PROMISE,
        "pgqueuer_app",
        same("python", "-m", "benchmarks.apps.pgqueuer_app"),
        environment={"BENCH_BATCH": "100"},
        packages=("pgqueuer", "asyncpg"),
        prepares=True,
        noops=30_000,
        **HERE,
    ),
    peer(
        "procrastinate",
        "async tasks, concurrency 100",
        PROMISE,
        "procrastinate_app",
        same("procrastinate", "--app=benchmarks.apps.procrastinate_app.app", "worker", "-c", "100"),
        prepares=True,
        noops=1_500,
        **HERE,
    ),
    chancy(100),
    peer(
        "potatoq",
        "-c 1 -t 8, no results",
        PROMISE,
        "potatoq_app",
        lambda n: [["potatoq", "-A", "benchmarks.apps.potatoq_app", "worker", "-c", str(n), "-t", "8", "-l", "ERROR"]],
        noops=1_500,
        **HERE,
    ),
    peer(
        "awa",
        "500 at a time",
        PROMISE,
        "awa_app",
        same("python", "-m", "benchmarks.apps.awa_app"),
        packages=("awa-pg",),
        prepares=True,
        noops=20_000,
        environment={"BENCH_CONCURRENCY": "500"},
        **HERE,
    ),
    peer(
        "oban",
        "concurrency 100",
        PROMISE,
        "oban_app",
        same("python", "-m", "benchmarks.apps.oban_app"),
        environment={"BENCH_CONCURRENCY": "100"},
        prepares=True,
        noops=15_000,
        **{**HERE, "python": str(NEWER)},
    ),
    peer(
        "saq",
        "concurrency 50",
        PROMISE,
        "saq_app",
        same("saq", "benchmarks.apps.saq_app.settings", "--quiet"),
        noops=1_500,
        environment={"BENCH_CONCURRENCY": "50"},
        **HERE,
    ),
)
