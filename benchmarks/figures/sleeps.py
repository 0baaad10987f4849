"""Waiting tasks: `await asyncio.sleep(0.05)` from a full backlog, 1,000 of them at a time in one worker process."""

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.figures.noop import drain
from benchmarks.proc import produce, stage

CONCURRENCY = 1_000


def measure(contender: Contender, scale: Scale) -> Sample:
    with stage(contender) as room:
        count = scale.of(contender.naps, at_least=2_000)
        produce(contender, room, "fill", "nap", count, BENCH_FILLING="yes")
        return drain(contender, room, count, concurrency=CONCURRENCY)


FIGURE = Figure(
    "sleeps",
    "Async tasks that sleep 50 ms, concurrency 1,000, one worker process",
    "at most 20,000/s is possible; rate from the task at 10 % to the last",
    (Column("per_second", "tasks/s"), Column("cpu_ms", "worker CPU ms/task", 3), Column("rss_mb", "RSS MB", 1)),
    measure,
)
