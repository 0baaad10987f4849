"""Message ids: 32 hex digits, time-ordered, not to be guessed.

48 bits of milliseconds, 16 bits that count within the millisecond so that one process's ids sort in the order they
were made, 64 random bits. (The field layout of a version 7 UUID, RFC 9562 §5.7, without its version bits.)
"""

import os
import re
import threading
import time

from forebay.model.errors import ConfigError

_CHOSEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,127}")
_SHOWN = 140  # characters of a bad one that an error shows


class Ids:
    """A source of ids; safe in threads, in signal handlers and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._last = 0
        self._pool = ""
        self._at = 0
        os.register_at_fork(after_in_child=self._reseed)

    def _reseed(self) -> None:
        self._lock = threading.RLock()
        self._pool, self._at = "", 0

    def __call__(self) -> str:
        """A new id."""
        with self._lock:
            self._last = number = max((time.time_ns() // 1_000_000) << 16, self._last + 1)
            return f"{number:016x}{self._noise(16)}"

    def many(self, count: int) -> list[str]:
        """New ids, in order."""
        with self._lock:
            first = max((time.time_ns() // 1_000_000) << 16, self._last + 1)
            self._last = first + count - 1
            noise = self._noise(count * 16)
        return [f"{first + n:016x}{noise[n * 16 : n * 16 + 16]}" for n in range(count)]

    def _noise(self, digits: int) -> str:
        """Random hex digits, from a pool that saves most calls to the system."""
        if self._at + digits > len(self._pool):
            self._pool, self._at = os.urandom(max(4096, digits)).hex(), 0
        start, self._at = self._at, self._at + digits
        return self._pool[start : start + digits]


new_id = Ids()


def check_id(chosen: str) -> str:
    """An id that somebody chose, if every engine, a command line and a URL can carry it as it is.

    Raises:
        ConfigError: it is empty, over 128 characters, or holds anything but letters, digits, `.`, `_`, `:` and `-`.
    """
    if not _CHOSEN.fullmatch(chosen):
        raise ConfigError(
            f"id {chosen[:_SHOWN]!r} is not allowed: use 1 to 128 letters (a-z, A-Z), digits, '.', '_', "
            "':' or '-', and begin with a letter, a digit or '_', as a UUID does"
        )
    return chosen
