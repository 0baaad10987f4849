"""Raising in a thread from outside, in the user's code and nowhere else.

A thread that runs tasks has a `Mark`. What strikes it is raised at once while the user's code runs, and kept while the
thread is in ours: until it leaves it, or comes to a place where it only waits. So nothing of ours is left half done.

Each decision here reads the mark and acts on it between two points at which CPython may change threads: a call of
Python code, the end of a call of C code, a jump backwards. That is what makes it exact without a lock, which a strike
could leave locked. What is struck at one of these points is raised there, or (CPython 3.13) at the next one.
"""

import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
#: Seconds after which a wait looks whether it was struck meanwhile.
_SLICE = 0.05

_here = threading.local()
_NOTHING: AbstractContextManager[object] = contextlib.nullcontext()
_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
#: Where locks of the whole process are taken and given back, so that nothing may be raised there.
_IMPORTING = frozenset({"importlib._bootstrap", "importlib._bootstrap_external"})
_LOCKING = frozenset({"acquire", "release", "_acquireLock", "_releaseLock", "handle", "flush"})


class _Nothing(BaseException):
    """Raised and caught at once: see `Mark._quieten`."""


_NOTHING_TO_RAISE = ctypes.py_object(_Nothing)


class Mark:
    """What may be raised in the thread that makes it, and when. As a context manager: not now.

    Attributes:
        pending: the exception that waits for the thread to leave our code.
    """

    __slots__ = ("_depth", "_struck", "_thread", "_whom", "pending", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self._thread = ctypes.c_ulong(self.thread)
        self._depth, self._struck = 1, False
        self._whom: object = None
        self.pending: type[BaseException] | None = None
        _here.mark = self

    def serve(self, whom: object) -> None:
        """From now on this thread is `whom`'s: strikes meant for others come too late."""
        self._whom, self.pending = whom, None

    def expose(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call the user's code: it alone may be struck. What has not arrived when it ends is taken back."""
        try:
            self._depth = 0
            if self.pending is not None:
                kind, self.pending = self.pending, None
                raise kind
            return function(*args, **kwargs)
        finally:
            self._depth = 1
            if self._struck:
                self._struck = False
                _raise_in(self._thread, None)  # what has not arrived does not; at a call of Python code it still would
                self._quieten()

    def _quieten(self) -> None:
        """CPython 3.11 goes on believing that something is to be raised until something is: its checks stay on the slow
        way, and a debugger or a measure of coverage makes the whole process hang at its next call. So something is.
        """
        if sys.version_info < (3, 12):
            with contextlib.suppress(_Nothing):
                _raise_in(ctypes.c_ulong(self.thread), _NOTHING_TO_RAISE)

    def strike(self, whom: object, kind: type[BaseException]) -> None:
        """Raise `kind` in this thread if it is `whom`'s: now, or as soon as it is in the user's code again.

        Called by another thread.
        """
        wrapped = ctypes.py_object(kind)
        if self._whom is not whom:
            return
        if self._depth:
            self.pending = kind
            return
        self._struck = True
        _raise_in(self._thread, wrapped)

    def strike_here(self, kind: type[BaseException]) -> None:
        """The same for a signal handler, which runs in this very thread."""
        if self._depth:
            self.pending = kind
            return
        raise kind

    def __enter__(self) -> None:
        if self._struck:
            _arrive()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self.pending is not None:
            kind, self.pending = self.pending, None
            raise kind

    def check(self) -> None:
        """Raise what is pending; for those who wait in our code."""
        if self.pending is not None:
            kind, self.pending = self.pending, None
            raise kind


def _arrive() -> None:
    """A call of Python code: what was raised from outside arrives here at the latest, and not behind the next step.

    CPython 3.13 raises it one point later than where the thread was when it was struck.
    """


def shield() -> AbstractContextManager[object]:
    """Nothing strikes inside this block; what comes meanwhile is raised at its end."""
    return getattr(_here, "mark", _NOTHING)


def check() -> None:
    """Raise what is pending in this thread, in the middle of a wait."""
    mark = getattr(_here, "mark", None)
    if mark is not None:
        mark.check()


def acquire(lock: threading.Lock, timeout: float = -1) -> None:
    """Wait for a lock that another thread releases, at most `timeout` seconds (below 0: for ever); strikes end it."""
    mark: Mark | None = getattr(_here, "mark", None)
    if mark is None:
        lock.acquire(timeout=timeout)
        return
    ends = time.monotonic() + timeout if timeout >= 0 else float("inf")
    while not lock.acquire(timeout=max(0.0, min(_SLICE, ends - time.monotonic()))) and time.monotonic() < ends:
        mark.check()


def strikable() -> bool:
    """Whether something may be raised in this thread from outside."""
    return hasattr(_here, "mark")


def in_shared(thread: int) -> bool:
    """Whether a thread takes or gives back a lock of the whole process just now."""
    return within_shared(sys._current_frames().get(thread))  # pyright: ignore[reportPrivateUsage]


def within_shared(frame: FrameType | None) -> bool:
    """Whether that is so of the code in which a signal arrived; what comes arrives where the thread is."""
    if frame is None:
        return False
    module = frame.f_globals.get("__name__")
    return module in _IMPORTING or (module == "logging" and frame.f_code.co_name in _LOCKING)
