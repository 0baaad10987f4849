"""What rates, slots and gates cost: with a limit on each of 10,000 keys, beside empty lanes, in front of many."""

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import ask
from benchmarks.room import open_room

MESSAGES, PARKED = 40_000, 1_000_000
COLUMNS = (
    Column("rate_ratio", "CPU a message with a rate a key, x without", 2),
    Column("slots_ratio", "with slots a key, x without", 2),
    Column("plain_us", "CPU µs a message without", 1),
    Column("many_p99", "lease p99 ms beside 50,000 empty lanes", 2),
    Column("one_p99", "with one lane", 2),
    Column("open_ms", "opening a gate before 1 M, ms", 2),
    Column("publish_ms", "longest publish meanwhile, ms", 2),
    Column("publish_before_ms", "and before", 2),
)


def measure(contender: Contender, scale: Scale) -> Sample:
    with open_room(contender) as room:
        numbers = (scale.of(MESSAGES, at_least=3_000), scale.of(PARKED))
        return ask(room, "benchmarks.limits", room.folder, *numbers)


FIGURE = Figure(
    "limits",
    "Limits on keys, and gates",
    "cycles of publish, lease and settle of 100 over 10,000 keys with a short backlog, bounded and not in turn",
    COLUMNS,
    measure,
    lower_is_better=True,
)
