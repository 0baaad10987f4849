"""Messages that nobody here can run, because their task is not registered, or their queue has no consumer."""

import random
import time
from collections.abc import Callable

from forebay.flow import unknown
from forebay.model.delivery import Delivery
from forebay.model.outcome import NOT_KNOWN, UNKNOWN_TASK, DeadLetter, Outcome, Release

#: Characters of a foreign name that are repeated.
_NAME = 200


class Strangers:
    """Hands them back, and lets them die when nobody has known them for too long.

    Args:
        patience: seconds that one may be unknown.
        now: the store's time.
    """

    def __init__(self, patience: float, now: Callable[[], float]) -> None:
        self._patience, self._now = patience, now
        self._taken_up = 0.0  # when all that were handed back are taken up again, at our rate

    def fate(self, delivery: Delivery) -> Outcome:
        """What becomes of one."""
        since = delivery.unknown_since
        waited = 0.0 if since is None else max(0.0, self._now() - since)
        if waited >= self._patience:
            return DeadLetter(_cause(delivery))
        now = time.monotonic()
        self._taken_up = max(self._taken_up, now) + 1 / unknown.RATE
        delay = unknown.pause(waited, self._taken_up - now, random.random(), self._now())
        return Release(min(delay, self._patience - waited), reason(delivery), unknown=True)


def reason(delivery: Delivery) -> str:
    """Why it waits."""
    if delivery.task:
        return f"{NOT_KNOWN} task {delivery.task[:_NAME]!r}"
    return f"{NOT_KNOWN} a consumer of queue {delivery.queue!r}"


def _cause(delivery: Delivery) -> str:
    if delivery.task:
        return f"{UNKNOWN_TASK} {delivery.task[:_NAME]!r}: no app of this worker registers it"
    return f"raw message, but no consumer of queue {delivery.queue!r} runs here"
