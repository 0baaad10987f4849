"""Python imports this by itself at the start of a process that has this folder on its PYTHONPATH.

From then on the date of the process is off by as many seconds as the file named by FOREBAY_DATE_OFF says at the time,
for all Python code in it. The monotonic clock stays as it is, as it does when somebody sets the date of a machine. (A
preloaded libfaketime would do the same to C code, but it slows the hand-over of the interpreter between threads so much
that leases are lost to that alone.)
"""

import os
import time
from pathlib import Path


def _step(path: Path) -> None:
    real, real_ns = time.time, time.time_ns

    def off() -> float:
        return float(path.read_text() or 0)

    time.time = lambda: real() + off()
    time.time_ns = lambda: real_ns() + int(off() * 1e9)


if "FOREBAY_DATE_OFF" in os.environ:
    _step(Path(os.environ["FOREBAY_DATE_OFF"]))
