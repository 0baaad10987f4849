"""What a worker costs that has nothing to do: CPU of its whole tree over 10 s, and memory.

One message is run first, so that everything is loaded, and two seconds pass before the clock starts.
"""

import time

from benchmarks.contender import Contender
from benchmarks.figure import Column, Figure, Sample, Scale
from benchmarks.proc import await_ready, stage, workers


def measure(contender: Contender, scale: Scale) -> Sample:
    with stage(contender) as room, workers(contender, room) as fleet:
        await_ready(contender, room, fleet)
        time.sleep(2)
        start, cpu = time.monotonic(), fleet.cpu_seconds()
        time.sleep(scale.seconds(10))
        share = (fleet.cpu_seconds() - cpu) / (time.monotonic() - start)
        resident, proportional = fleet.memory_mb()
        return {"cpu_percent": share * 100, "rss_mb": resident, "pss_mb": proportional}


FIGURE = Figure(
    "idle",
    "An idle worker",
    "10 s after one message and a pause; the whole process tree; Redis itself not counted",
    (
        Column("cpu_percent", "CPU % of a core", 2),
        Column("rss_mb", "largest process RSS MB", 1),
        Column("pss_mb", "whole tree PSS MB", 1),
    ),
    measure,
    lower_is_better=True,
)
