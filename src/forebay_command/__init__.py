"""The process of the `forebay` command: Ctrl-C at any time ends it with exit code 130 and no traceback.

A module of its own that imports nothing heavy, for importing `forebay` takes a while, in which somebody may change
their mind. While there is nothing to tidy, before the command runs and after it, an interrupt ends the process at once;
while it runs, the command itself sees to it. Where interrupts are ignored (a job in the background) they stay ignored.
"""

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # as `typing` has it, which takes a while to import
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_INTERRUPTED = 130


def main() -> int:
    """Run the command of this process; its exit code."""
    handler = _leave_when_interrupted()
    try:
        from forebay.cli import main as run

        signal.signal(signal.SIGINT, handler)
        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        _leave_when_interrupted()


def _leave_when_interrupted() -> "signal.Handlers | Callable[[int, FrameType | None], Any]":
    """How interrupts are taken once the command runs: as Python does, or not at all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return signal.SIG_IGN
    signal.signal(signal.SIGINT, _leave)
    return signal.default_int_handler


def _leave(_number: int, _frame: "FrameType | None") -> None:
    os._exit(_INTERRUPTED)


def _is_wanted() -> bool:
    """Whether this is `python -m forebay`, on its way through the package to its `__main__`."""
    words = sys.orig_argv
    return sys.argv[:1] == ["-m"] and (
        "-mforebay" in words or ("-m" in words[:-1] and words[words.index("-m") + 1] == "forebay")
    )


if _is_wanted():
    _leave_when_interrupted()
