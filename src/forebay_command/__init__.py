"""How the processes of our own begin: the `forebay` command, and those that a worker starts. Imports nothing heavy.

Ctrl-C at any time ends the command with exit code 130 and no traceback. Importing `forebay` takes a while, in which
somebody may change their mind: while there is nothing to tidy, before the command runs and after it, an interrupt ends
the process at once; while it runs, the command itself sees to it. Where interrupts are ignored (a job in the
background) they stay ignored.

What is imported stays until the end. The garbage collector does not look through it, neither while it grows nor
later: that is a fifth of the time from the start to the end of a command that does little. It is off until `imported`.
"""

import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # as `typing` has it, which takes a while to import
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_INTERRUPTED = 130
#: That the collector is off because our modules are coming in, and not because somebody else wants it off.
_importing = False


def main() -> int:
    """Run the command of this process; its exit code."""
    _hear()
    handler = _leave_when_interrupted()
    _import()
    try:
        from forebay.cli import main as run

        signal.signal(signal.SIGINT, handler)
        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        imported()
        _leave_when_interrupted()


def _import() -> None:
    """Our modules come in from here on, until `imported`; a process that has no collector is left without."""
    global _importing  # noqa: PLW0603 - one per process, as the collector is
    _importing = gc.isenabled()
    gc.disable()


def imported() -> None:
    """Our modules are there, and nobody else's yet: the collector works from here on, and leaves these out."""
    global _importing  # noqa: PLW0603
    if _importing:
        _importing = False
        gc.freeze()
        gc.enable()


def _hear() -> None:
    """Hear what a program usually hears, whatever whoever started this one has switched off for itself.

    It is inherited: where TERM is blocked nobody could stop a worker in order, and where the ends of children are
    ignored each program that a task starts seems to have ended well.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _leave_when_interrupted() -> "signal.Handlers | Callable[[int, FrameType | None], Any]":
    """How interrupts are taken once the command runs: as Python does, or not at all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return signal.SIG_IGN
    signal.signal(signal.SIGINT, _leave)
    return signal.default_int_handler


def _leave(_number: int, _frame: "FrameType | None") -> None:
    os._exit(_INTERRUPTED)


def _on_its_way() -> str:
    """The module that Python was called with by `-m`, while it is on its way there through the packages around it."""
    words = sys.orig_argv
    if sys.argv[:1] != ["-m"]:
        return ""
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return "forebay" if "-mforebay" in words else ""


_module = _on_its_way()
if _module == "forebay":
    _leave_when_interrupted()
if _module in ("forebay.work.child", "forebay.work.apart"):
    _import()
