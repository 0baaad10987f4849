"""Whether a server is lost, for the log: one line when it is, one when it is back, for all connections of an engine.

A connection that breaks later, but was made before the loss that was told, is part of that loss. One that was made
before it and still answers does not end it while others fail: a server may let nobody in anew. Tries nothing itself.
"""

import logging
import math
import threading
import time

#: Of a worker the supervisor tells, which talks to the engine all the time: `work.child` quiets it in its processes.
LOGGER = "forebay.outage"
_logger = logging.getLogger(LOGGER)
#: Seconds without a failure after which an answer to a connection from before the loss means that it is over.
QUIET = 5.0


class Outage:
    """What is known of one server. For threads of an engine, at any time."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told = self._failed = -math.inf

    @property
    def on(self) -> bool:
        """Whether it was lost and has not answered since."""
        return self._since is not None

    def lost(self, why: object, made: float | None = None) -> None:
        """A connection broke that was made then (monotonic); None if it could not even be made."""
        now = time.monotonic()
        with self._lock:
            self._failed = now
            if self._since is not None or (made is not None and made <= self._told):
                return
            self._since = self._told = now
        _logger.warning("%s: lost, and tried again until it answers: %s", self._shown, why)

    def back(self, made: float | None = None) -> None:
        """It answers, over a connection that was made then (monotonic); None if that was just now."""
        with self._lock:
            old = made is not None and made <= self._told
            if old and time.monotonic() - self._failed < QUIET:
                return
            since, self._since = self._since, None
        if since is not None:
            _logger.info("%s: answers again, after %.1f s", self._shown, time.monotonic() - since)
