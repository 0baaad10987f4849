"""A moment in which no signal handler of Python's interrupts the main thread; what comes is handled at its end.

For the few milliseconds in which the main thread does an engine's work itself. Python runs signal handlers in the main
thread, between any two steps, and Ctrl-C is one that raises. Nothing else is held up: handlers in C see their signals.
In a program that Python is only a part of (uWSGI) no thread is the main one: it has handlers in C where Python believes
in its own, and they could not be put back.
"""

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType, TracebackType
from typing import Any, Self

#: What `signal` is made of: it does not turn each answer into an enum, and each signal is asked for each time.
_signal: Any = import_module("_signal")
_NUMBERS: tuple[int, ...] = tuple(sorted(_signal.valid_signals()))
_had: Callable[[int], Any] = _signal.getsignal
_MAIN = threading.main_thread().ident if sys.orig_argv else None  # a program around Python gives it no words
_now: list["Quiet"] = []  # of the one main thread of this process

Handler = Callable[[int, FrameType | None], Any]


class _Handlers:
    """Which signals are handled in Python, and how. All are asked each time, and sorted only after a change."""

    def __init__(self) -> None:
        self._seen: tuple[Any, ...] = ()
        self._places: list[int] = []  # of the handlers among all
        self._found: list[tuple[int, Handler]] = []

    def now(self) -> list[tuple[int, Handler]]:
        """By number; not to be changed."""
        seen = tuple(map(_had, _NUMBERS))
        if seen != self._seen or any(seen[place] is not self._seen[place] for place in self._places):
            self._places = [place for place, had in enumerate(seen) if callable(had)]
            self._found = [(_NUMBERS[place], seen[place]) for place in self._places]
            self._seen = seen
        return self._found


_handlers = _Handlers()


def main() -> bool:
    """Whether this is the thread that Python runs signal handlers in, and the program's own."""
    return threading.get_ident() == _MAIN


def quiet() -> bool:
    """Whether handlers are put off now."""
    return bool(_now)


class Quiet:
    """The context manager; one for each use, in the main thread alone."""

    __slots__ = ("_came", "_kept", "over")

    def __init__(self) -> None:
        self._kept: list[tuple[int, Handler]] = []
        self._came: list[tuple[Handler, int, FrameType | None]] = []
        self.over = True  # until all are put off: who is struck on the way leaves no signal kept for nobody

    def __enter__(self) -> Self:
        try:
            for number, handler in _handlers.now():
                self._kept.append((number, handler))
                _signal.signal(number, _Later(self, handler))
            _now.append(self)
            self.over = False
        except BaseException:  # a handler that was not put off yet
            self.over = True  # before any call, in which the next one might raise
            try:
                self._restore()
            finally:
                if self._kept:  # struck before it began
                    self._restore()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Raises whatever a handler raises that was put off."""
        self._restore()
        self._handle()

    def _handle(self) -> None:
        """Handle what came, in order; one that raises keeps none of the others from it."""
        while self._came:
            handler, number, frame = self._came.pop(0)
            try:
                handler(number, frame)
            finally:
                if self._came:
                    self._handle()

    def _restore(self) -> None:
        """Put the handlers back. `over` comes first: whatever breaks this off, no signal is kept for nobody."""
        self.over = True
        try:
            _now.clear()
            while self._kept:
                _signal.signal(*self._kept[-1])
                self._kept.pop()
        finally:  # a handler that is back may raise at once; what stands for the others passes on what comes
            if self._kept:
                self._restore()

    def put_off(self, handler: Handler, number: int, frame: FrameType | None) -> None:
        """A signal came; one that comes too early or too late is handled at once."""
        if self.over:
            handler(number, frame)
        else:
            self._came.append((handler, number, frame))


class _Later:
    """Stands for a handler meanwhile."""

    __slots__ = ("_handler", "_quiet")

    def __init__(self, quiet: Quiet, handler: Handler) -> None:
        self._quiet, self._handler = quiet, handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._quiet.put_off(self._handler, number, frame)
