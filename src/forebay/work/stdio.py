"""The standard streams of a process that runs tasks: what they print is seen at once, whatever stands at the other end.

Owns the buffering of `sys.stdout` and `sys.stderr`, and that descriptors 0, 1 and 2 are open. What is printed line by
line stays whole lines; what is printed without a line's end is seen within `EVERY` seconds.
"""

import contextlib
import io
import os
import sys
import threading
import time

#: Seconds after which an unfinished line is shown.
EVERY = 0.5


def keep_open() -> None:
    """Descriptors 0, 1 and 2 belong to the standard streams: a closed one would go to the next file opened."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one


def show_at_once() -> None:
    """Each line when it is printed, and what has no end yet soon after."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    with contextlib.suppress(RuntimeError):  # no more threads: whole lines are seen all the same
        threading.Thread(target=_show, name="forebay-stdout", daemon=True).start()


def _show() -> None:
    """A thread, for a loop may be busy, and whoever reads may have stopped."""
    while True:
        time.sleep(EVERY)
        flush()


def flush() -> None:
    """Show what was printed so far; a stream that the user's code has closed or replaced shows what it can."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
