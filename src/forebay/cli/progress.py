"""A progress bar for work that takes long: on stderr, on a terminal only, and not before it is worth showing."""

import sys
import time
from types import TracebackType
from typing import Any, Self

import click

#: Seconds of work before a bar appears.
PATIENCE = 0.3


class Bar:
    """A bar from 0 to `total`; `advance(n)` moves it."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._started = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def advance(self, count: int) -> None:
        """`count` more are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif sys.stderr.isatty() and time.monotonic() - self._started > PATIENCE:
            self._bar = click.progressbar(length=max(1, self._total), label=self._label, file=sys.stderr, show_pos=True)
            self._bar.__enter__()
            self._bar.update(self._done)

    def reach(self, done: int) -> bool:
        """`done` are done in all; whether that is more than before."""
        if done <= self._done:
            return False
        self.advance(done - self._done)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
