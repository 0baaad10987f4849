"""Whether there is room for new messages, by `max_size`: how much memory the server may use before they are refused.

Asked of the server now and then, between batches; what is accepted in the meantime may go a little beyond.
"""

import time
from collections.abc import Callable

#: Seconds that an answer holds.
HOLDS = 0.5


class Room:
    """`full` is asked before each publish; `used` asks the server for the bytes it uses."""

    def __init__(self, most: int, used: Callable[[], int]) -> None:
        self._most, self._used = most, used
        self._until, self._full = 0.0, False

    @property
    def full(self) -> bool:
        """Whether new messages are refused now."""
        if not self._most:
            return False
        now = time.monotonic()
        if now >= self._until:
            self._full, self._until = self._used() >= self._most, now + HOLDS
        return self._full
