"""The end of a process whose loop has ended: soon, and whatever the user's code waits for at its exit.

Exit handlers are run, as at the end of any program, and get `PATIENCE` seconds. Threads and processes of the user's are
not waited for: work belongs into tasks.
"""

import atexit
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from time import sleep  # the system's, whatever a task makes of `time.sleep`
from typing import NoReturn

from forebay.work import stdio

#: Seconds for exit handlers, and beyond what somebody is given until the kernel ends the process.
PATIENCE, HELD = 2.0, 1.0
_logger = logging.getLogger("forebay.worker")


def leave(code: int, last: Callable[[], object] = lambda: None) -> NoReturn:
    """End this process with `code`, within seconds; `last` is called before it."""
    leave_within(PATIENCE, code, "exit handlers of the app have not ended")
    try:
        getattr(atexit, "_run_exitfuncs")()  # noqa: B009 - what the interpreter calls at its end
    except BaseException:
        _logger.exception("an exit handler of the app failed")
    stdio.flush()
    last()
    os._exit(code)


def leave_within(seconds: float, code: int, why: str) -> None:
    """End this process in so many seconds, unless it has ended by then; `why` says what it would wait for.

    Where C code holds the interpreter, or there is no memory or no thread left to see to it, the kernel does.
    """
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + HELD)

    def insist() -> None:
        sleep(seconds)
        _logger.error("%s after %g s: leaving without", why, seconds)
        os._exit(code)

    with contextlib.suppress(RuntimeError):  # no more threads; without memory this may even never return
        threading.Thread(target=insist, name="forebay-leave", daemon=True).start()
