"""What the disk and SQLite alone need on this machine: the figures to hold latency and enqueue one by one against."""

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import ask
from benchmarks.room import open_room


def measure(contender: Contender, scale: Scale) -> Sample:
    with open_room(contender) as room:
        return ask(room, "benchmarks.floor", room.folder)


FIGURE = Figure(
    "floor",
    "The floor: the disk and SQLite without anything of ours above",
    "medians of 300; an enqueue is one transaction, enqueue to start two, one after the other, at 100/s",
    (
        Column("two_bare_ms", "two transactions at 100/s, ms", 2),
        Column("two_paced_ms", "two writes + syncs at 100/s, ms", 2),
        Column("sync_ms", "one, back to back, ms", 2),
        Column("bare_per_second", "one message a transaction, /s"),
    ),
    measure,
    lower_is_better=True,
)
