"""What a transaction that stays open costs on PostgreSQL, where nothing may be taken away meanwhile.

BENCH_SNAPSHOT is how many seconds it is held at 2,000 messages a second; ten minutes are 600.
"""

import os

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import ask
from benchmarks.room import open_room

HELD = float(os.environ.get("BENCH_SNAPSHOT", "30"))
RATE = 2_000


def measure(contender: Contender, scale: Scale) -> Sample:
    with open_room(contender) as room:
        return ask(room, "benchmarks.snapshot", scale.seconds(HELD), RATE)


FIGURE = Figure(
    "snapshot",
    f"PostgreSQL under a snapshot that is held at {RATE:,} messages/s",
    f"held for {HELD:g} s (--quick: a quarter); cycles of publish, lease, settle of 100, in turn with a free database",
    (
        Column("ratio", "throughput at its end, x without", 2),
        Column("free", "msg/s without"),
        Column("held", "with"),
        Column("dead", "dead rows, thousands", 1),
        Column("wal", "WAL bytes/message"),
        Column("commits", "commits/message", 3),
    ),
    measure,
)
