"""Message ids: 32 hex digits, time-ordered, not to be guessed.

48 bits of milliseconds, 16 bits that count within the millisecond so that one process's ids sort in the order they
were made, 64 random bits. (The field layout of a version 7 UUID, RFC 9562 §5.7, without its version bits.)
"""

import os
import threading
import time


class Ids:
    """A source of ids; safe in threads and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._pool = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._reseed)

    def _reseed(self) -> None:
        self._lock = threading.Lock()
        self._pool, self._at = b"", 0

    def __call__(self) -> str:
        """A new id."""
        with self._lock:
            stamp = (time.time_ns() // 1_000_000) << 16
            self._last = stamp = max(stamp, self._last + 1)
            if self._at >= len(self._pool):
                self._pool, self._at = os.urandom(4096), 0
            noise = self._pool[self._at : self._at + 8]
            self._at += 8
        return f"{stamp:016x}{noise.hex()}"


new_id = Ids()
