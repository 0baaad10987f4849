"""huey with SqliteHuey: one consumer, one worker thread, as it ships; and quiet, polling every few milliseconds."""

from benchmarks.contender import Command, Contender, python_module

CONSUMER = ("huey.bin.huey_consumer", "benchmarks.apps.huey_app.huey")
TUNED = ("--quiet", "--no-periodic", "--disable-health-check", "--delay=0.002", "--max-delay=0.01")


def huey(name: str, setting: str, figures: frozenset[str], *options: str) -> Contender:
    def workers(processes: int, concurrency: int | None) -> list[Command]:
        return [python_module(*CONSUMER, *options) for _ in range(processes)]

    return Contender(
        name=name,
        family="huey",
        setting=setting,
        durability="synchronous=FULL, at most once",
        packages=("huey",),
        app="huey_app",
        workers=workers,
        figures=figures,
        noops=20_000,
    )


CONTENDERS = (
    huey("huey", "as it ships", frozenset({"noop", "noop2", "enqueue", "latency", "idle"})),
    huey("huey tuned", "no log lines, polls each 2-10 ms", frozenset({"noop", "latency", "idle"}), *TUNED),
)
