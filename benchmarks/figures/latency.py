"""From enqueue to the first line of the task, at 100 messages a second from another process.

Each message carries the producer's CLOCK_MONOTONIC, the task subtracts it from its own: one clock for both processes.
The worker has run a message before, and the first second of messages is warm-up and left out.
"""

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import await_marks, await_ready, produce, stage, workers

RATE = 100
MESSAGES = 500


def measure(contender: Contender, scale: Scale) -> Sample:
    with stage(contender) as room, workers(contender, room) as fleet:
        await_ready(contender, room, fleet)
        count = scale.of(MESSAGES // 2 if contender.server else MESSAGES, at_least=100)
        producer = produce(contender, room, "paced", contender.task("lag"), count, RATE)
        for _ in await_marks(room, fleet, 1 + count):
            pass
        return {**percentiles(room.marks.take()), **producer}


def percentiles(lags: list[int]) -> Sample:
    """p50, p95 and p99 in milliseconds, by nearest rank."""
    ordered = sorted(lags)
    return {f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] / 1e6 for p in (50, 95, 99)}


FIGURE = Figure(
    "latency",
    "Enqueue to start, ms, at 100 messages/s from another process",
    f"{MESSAGES} messages ({MESSAGES // 2} on a server) after a second of warm-up; one clock for both processes",
    (
        Column("p50", "p50", 2),
        Column("p95", "p95", 2),
        Column("p99", "p99", 2),
        Column("late_ms", "producer late by up to", 2),
    ),
    measure,
    lower_is_better=True,
)
