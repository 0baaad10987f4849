"""Throughput of tasks that do nothing, from a full backlog.

The backlog is filled before the worker starts.  Every task writes the clock into its cell; the rate is taken from the
task at 10 % to the last, so that start-up is left out alike for all.  CPU is user and system time of the whole worker
tree over the same stretch, divided by the tasks in it.
"""

from functools import partial

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import await_marks, produce, stage, workers
from benchmarks.room import Room

WARM_UP = 0.1
COLUMNS = (
    Column("per_second", "tasks/s"),
    Column("cpu_ms", "worker CPU ms/task", 3),
    Column("rss_mb", "largest process RSS MB", 1),
    Column("pss_mb", "whole tree PSS MB", 1),
)


def measure(contender: Contender, scale: Scale, processes: int) -> Sample:
    with stage(contender) as room:
        count = scale.of(contender.noops, at_least=200)
        produce(contender, room, "fill", contender.task("noop"), count, BENCH_FILLING="yes")
        return drain(contender, room, count, processes)


def drain(contender: Contender, room: Room, count: int, processes: int = 1, concurrency: int | None = None) -> Sample:
    """Run workers on a backlog until every task of it has left its mark."""
    before: tuple[int, float] | None = None
    seen = 0
    with workers(contender, room, processes, concurrency) as fleet:
        for seen in await_marks(room, fleet, count):
            if before is None and seen >= count * WARM_UP:
                before = seen, fleet.cpu_seconds()
        cpu = fleet.cpu_seconds()
        resident, proportional = fleet.memory_mb()
    first, cpu_first = before or (0, 0.0)
    return {
        "per_second": rate(room.marks.take()),
        "cpu_ms": (cpu - cpu_first) / (seen - first) * 1000 if seen > first else float("nan"),
        "rss_mb": resident,
        "pss_mb": proportional,
    }


def rate(clock_readings: list[int]) -> float:
    """Tasks per second from the one at 10 % to the last."""
    ordered = sorted(clock_readings)
    first = int(len(ordered) * WARM_UP)
    return (len(ordered) - 1 - first) / (ordered[-1] - ordered[first]) * 1e9


def figure(name: str, title: str, processes: int) -> Figure:
    method = "full backlog before the worker starts; rate from the task at 10 % to the last"
    return Figure(name, title, method, COLUMNS, partial(measure, processes=processes))


ONE_PROCESS = figure("noop", "No-op tasks, one worker process", 1)
TWO_PROCESSES = figure("noop2", "No-op tasks, two worker processes", 2)
