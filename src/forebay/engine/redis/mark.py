"""What notices that a server has lost what it held: its numbers only grow, and it has a name since it was empty.

Remembers the highest that this process was told. A server that falls behind it was emptied, restored from a copy, or
replaced by a replica that lagged. That is told once each time; nothing can be brought back from here.
"""

import logging
import threading
from collections.abc import Callable

_logger = logging.getLogger("forebay.redis")


class Mark:
    """The numbers of one server as an engine has seen them; `again` is called after a loss, to set up what is gone."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._born, self._seq, self.highest = "", 0, 0
        self.again: Callable[[], object] = lambda: None

    @property
    def known(self) -> int:
        """The number that the server had reached when it was heard of last."""
        return self._seq

    def see(self, seq: int, known: int | None = None) -> None:
        """A number that the server gave, or has reached.

        Args:
            known: what was known before it was asked, if others were asked at the same time: their answers may be read
                first, and be of a later moment.
        """
        if seq >= self._seq:
            self._seq = self.highest = seq
            return
        if known is not None and seq >= known:
            return
        with self._lock:
            before, self._seq, self._born = self._seq, seq, ""
        self._lost(f"its newest message was number {before:,}, and it is {seq:,} now")

    def named(self, born: str) -> None:
        """The name of what the server holds; another one than before means that it is not the same any more."""
        with self._lock:
            before, self._born = self._born, born
            if not before or before == born:
                return
            self._seq = 0
        self._lost("what it holds has begun anew")

    def _lost(self, how: str) -> None:
        """Say so, and have set up what is gone."""
        _logger.error(
            "%s has lost messages that it had accepted: %s. Was it emptied (FLUSHALL), restarted without persistence, "
            "restored from a copy, or replaced by a replica that lagged? What was accepted and not run may be gone; "
            "look at `forebay doctor` for what its settings may lose",
            self._place,
            how,
        )
        self.again()
