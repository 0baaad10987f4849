"""What notices that a server has lost what it held: its numbers only grow, and it has a name since it was empty.

Remembers the highest that this process was told. A server that falls behind it was emptied, restored from a copy, or
replaced by a replica that lagged. Whoever finds that first sets its numbers right and writes down that it happened
(`open.lua`); the others hear of it by that, with their next heartbeat. Each process tells it once; nothing can be
brought back from here.
"""

import logging
import threading
import time
from collections.abc import Callable

_logger = logging.getLogger("forebay.redis")
#: Seconds in which one loss is told once, in whichever ways it is heard of.
QUIET = 10.0


class Mark:
    """The numbers of one server as an engine has seen them; `again` is called after a loss, to set up what is gone.

    Attributes:
        fallen: this process has found a loss that nobody has written down yet.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._name: tuple[str, str] | None = None
        self._seq, self.highest, self.fallen, self._told = 0, 0, False, -QUIET
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
            before, self._seq, self.fallen = self._seq, seq, True
        self._lost(f"its newest message was number {before:,}, and it is {seq:,} now")

    def named(self, born: str, fell: str) -> bool:
        """The name of what the server holds, and the newest loss that was written down there; "" for none.

        Another name than before means that it is not the same any more; another loss, that somebody else has found one.
        Whether the name is another one.
        """
        with self._lock:
            before, self._name = self._name, (born, fell)
            anew = before is not None and before[0] != born
            other = before is not None and before[0] not in ("", born)  # to get a name is no further loss
            if before is None or before == self._name or time.monotonic() - self._told < QUIET:
                return other
            if anew:
                self._seq = 0
            self.fallen = self.fallen or before[1] == fell
        self._lost("what it holds has begun anew" if anew else "another process has found its numbers fallen back")
        return other

    def _lost(self, how: str) -> None:
        """Say so, and have set up what is gone."""
        self._told = time.monotonic()
        _logger.error(
            "%s has lost messages that it had accepted: %s. Was it emptied (FLUSHALL), restarted without persistence, "
            "restored from a copy, or replaced by a replica that lagged? What was accepted and not run may be gone; "
            "look at `forebay doctor` for what its settings may lose",
            self._place,
            how,
        )
        self.again()
