"""Python imports this by itself at the start of a process that has this folder on its PYTHONPATH.

From then on the date of the process is off by as many seconds as the file named by FOREBAY_DATE_OFF says at the time,
for all Python code in it, the engine's too: as if somebody had set the date of the store's machine. With
FOREBAY_DATE_WRONG the engine sees the true one: as on a host whose date is wrong, beside a store on another. The
monotonic clock stays as it is, as it does when somebody sets the date of a machine. (A preloaded libfaketime would do
the same to C code, but it slows the hand-over of the interpreter between threads so much that leases are lost to that
alone.)
"""

import os
import time
from pathlib import Path


def _step(path: Path, *, store: bool) -> None:
    real, real_ns = time.time, time.time_ns

    def off() -> float:
        return float(path.read_text() or 0)

    time.time = lambda: real() + off()
    time.time_ns = lambda: real_ns() + int(off() * 1e9)
    if store:
        clock = time.clock_gettime
        time.clock_gettime = lambda which: clock(which) + (off() if which == time.CLOCK_REALTIME else 0.0)


for variable in ("FOREBAY_DATE_OFF", "FOREBAY_DATE_WRONG"):
    if variable in os.environ:
        _step(Path(os.environ[variable]), store=variable == "FOREBAY_DATE_OFF")
