"""Whether the engine stays as quick as it was when much waits: a million messages, many queues, many keys, many dates.

All shapes are cycled through in turn, in one process (`benchmarks.backlog`). `BENCH_TEN_MILLION=yes` adds ten million
waiting messages, for which two more gigabytes of disk and some minutes are needed.
"""

import os

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import ask
from benchmarks.room import open_room

ROUNDS = 500
SHAPES = ("1k", "10k", "1m", "queues", "keys", "scheduled")
#: A server is asked about fewer, for a run has to end in a quarter of an hour.
ON_A_SERVER = ("1k", "10k", "1m")
MORE = ("10m",) if os.environ.get("BENCH_TEN_MILLION") else ()
COLUMNS = (
    Column("1m_p99", "lease p99 ms at 1 M", 2),
    Column("1k_p99", "at 1,000", 2),
    *(Column(f"{shape}_p99", f"at {shape}", 2) for shape in MORE),
    Column("queues_p99", "1,000 queues", 2),
    Column("keys_p99", "100,000 keys", 2),
    Column("scheduled_p99", "100,000 later", 2),
    Column("1m_per_second", "msg/s at 1 M"),
    Column("10k_per_second", "at 10,000"),
    *(Column(f"{shape}_per_second", f"at {shape}") for shape in MORE),
    Column("1m_look", "top ms at 1 M", 2),
    Column("queues_look", "1,000 queues", 2),
)


def measure(contender: Contender, scale: Scale) -> Sample:
    with open_room(contender) as room:
        shapes = ("1k", "10k", "queues") if scale.quick else (*SHAPES, *MORE)
        shapes = ON_A_SERVER if contender.server else shapes
        return ask(room, "benchmarks.backlog", room.folder, scale.of(ROUNDS, at_least=100), *shapes)


FIGURE = Figure(
    "backlog",
    "Leases of 100 while much waits",
    "cycles of lease, settle and publish of 100, all shapes in turn; top is what `forebay top` reads",
    COLUMNS,
    measure,
    lower_is_better=True,
)
