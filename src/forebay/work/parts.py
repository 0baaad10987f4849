"""The parts of a process that none of it can do without: when one ends, that is said aloud, and the process ends.

Owns what happens when a thread of ours dies of an exception, in any process that runs or supervises tasks. Parts that
are tasks of a loop are watched by whoever started them.
"""

import logging
import threading
from collections.abc import Callable

_logger = logging.getLogger("forebay.worker")
_OURS = "forebay-"


def watch_threads(fatal: Callable[[str], object]) -> None:
    """From now on, a thread of ours that ends with an exception is told, and then to `fatal`, in that very thread.

    Threads of the user's code are told by the hook that was there before, or in our form where there was none.
    """
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        name = "?" if args.thread is None else args.thread.name
        ours = name.startswith(_OURS)
        if not ours and before is not threading.__excepthook__:
            before(args)
        elif ours or args.exc_type is not SystemExit:
            _tell(name, args)
        if ours:
            fatal(f"its thread {name} ended with {args.exc_type.__name__}")

    threading.excepthook = hook


def _tell(name: str, args: threading.ExceptHookArgs) -> None:
    trace = (args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    _logger.critical("thread %s ended with %s", name, args.exc_type.__name__, exc_info=trace)
