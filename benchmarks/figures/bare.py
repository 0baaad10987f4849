"""What the server and its client alone give in the same run: the figures to hold single enqueues and leases against."""

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import ask
from benchmarks.room import open_room


def measure(contender: Contender, scale: Scale) -> Sample:
    with open_room(contender) as room:
        return ask(room, "benchmarks.bare")


FIGURE = Figure(
    "bare",
    "The bare client and server, without anything of ours",
    "one small message a durable round trip; a hundred in and out again, taken and deleted",
    (Column("one", "one by one/s"), Column("cycle", "by hundreds, in and out/s")),
    measure,
)
