"""Whether a server is lost, for the log: one line when it is, one when it is back, for all connections of an engine.

A connection that breaks later, but was made before the loss that was told, is part of that loss. Tries nothing itself.
"""

import logging
import math
import threading
import time

#: Of a worker the supervisor tells, which talks to the engine all the time: `work.child` quiets it in its processes.
LOGGER = "forebay.outage"
_logger = logging.getLogger(LOGGER)


class Outage:
    """What is known of one server. For threads of an engine, at any time."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told = -math.inf

    @property
    def on(self) -> bool:
        """Whether it was lost and has not answered since."""
        return self._since is not None

    def lost(self, why: object, made: float | None = None) -> None:
        """A connection broke that was made then (monotonic); None if it could not even be made."""
        now = time.monotonic()
        with self._lock:
            if self._since is not None or (made is not None and made <= self._told):
                return
            self._since = self._told = now
        _logger.warning("%s: lost, and tried again until it answers: %s", self._shown, why)

    def back(self) -> None:
        """It answers."""
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            _logger.info("%s: answers again, after %.1f s", self._shown, time.monotonic() - since)
