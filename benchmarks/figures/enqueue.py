"""How quickly messages are accepted: one by one, by 100 producers at once, and in bulk.

Each way runs in a fresh process and, the bulk calls apart, for a fixed time.  Nothing consumes meanwhile.  What
"accepted" means differs between contenders; their durability is printed beside them.
"""

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import produce, stage

BULK = 100_000


def measure(contender: Contender, scale: Scale) -> Sample:
    seconds = scale.seconds(1.5)
    bulk = scale.of(contender.bulk or BULK)
    ways: dict[str, tuple[object, ...]] = {
        "one": ("one", "noop", seconds),
        "threads": ("threads", "noop", seconds),
        "coroutines": ("coroutines", "noop", seconds),
        "chunks": ("many", "noop", bulk, 1_000),
        "at_once": ("many", "noop", bulk, bulk),
    }
    sample = {}
    for way, action in ways.items():
        with stage(contender) as room:
            sample[way] = produce(contender, room, *map(str, action)).get("per_second", float("nan"))
    return sample


FIGURE = Figure(
    "enqueue",
    "Messages accepted per second",
    "one producer process, nothing consuming; - where the library has no such call",
    (
        Column("one", "one by one"),
        Column("threads", "100 threads"),
        Column("coroutines", "100 coroutines"),
        Column("chunks", "bulk by 1,000"),
        Column("at_once", "bulk, one call"),
    ),
    measure,
)
