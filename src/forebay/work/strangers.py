"""Messages that nobody here can run: their task is not registered, or takes less; their queue has no consumer."""

import math
import random
import time
from collections import deque
from collections.abc import Callable

from forebay.flow import unknown
from forebay.model.delivery import Delivery
from forebay.model.outcome import NOT_KNOWN, UNKNOWN_TASK, DeadLetter, Outcome, Release

#: Characters of a foreign name that are repeated.
_NAME = 200
#: Hand-backs of a queue in a row that tell how fast it gives out such messages.
_SAMPLE = 50


class Strangers:
    """Hands them back, and lets them die when nobody has known them for too long.

    Args:
        patience: seconds that one may be unknown.
        now: the store's time.
    """

    def __init__(self, patience: float, now: Callable[[], float]) -> None:
        self._patience, self._now = patience, now
        self._paces: dict[str, _Pace] = {}

    def fate(self, delivery: Delivery, misfit: DeadLetter | None = None) -> Outcome:
        """What becomes of one.

        Args:
            misfit: how one ends in which a newer version of its task may have put what it holds.
        """
        since = delivery.unknown_since
        waited = 0.0 if since is None else max(0.0, self._now() - since)
        if waited >= self._patience:
            return DeadLetter(_cause(delivery)) if misfit is None else misfit
        ahead = self._paces.setdefault(delivery.queue, _Pace()).ahead(time.monotonic())
        delay = unknown.pause(waited, ahead, random.random(), self._now())
        why = reason(delivery) if misfit is None else f"{NOT_KNOWN} a version that takes it: {misfit.cause}"
        return Release(min(delay, self._patience - waited), why, unknown=True)


class _Pace:
    """How fast a queue gives out messages that nobody here knows, and what has been handed back already.

    One with a rate or slots gives them out one by one. They may not take all of its time: others stand behind them.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_SAMPLE)
        self._fastest = math.inf  # a second, as far as is known
        self._taken_up = 0.0  # when all that were handed back are taken up again, at our rate

    def ahead(self, now: float) -> float:
        """One more is handed back: seconds until all are taken up again."""
        self._times.append(now)
        if len(self._times) == _SAMPLE:
            rate = (_SAMPLE - 1) / max(now - self._times[0], 1e-6)
            self._fastest = rate if math.isinf(self._fastest) else max(self._fastest, rate)
        self._taken_up = max(self._taken_up, now) + 1 / min(unknown.RATE, unknown.SHARE * self._fastest)
        return self._taken_up - now


def reason(delivery: Delivery) -> str:
    """Why it waits."""
    if delivery.task:
        return f"{NOT_KNOWN} task {delivery.task[:_NAME]!r}"
    return f"{NOT_KNOWN} a consumer of queue {delivery.queue!r}"


def _cause(delivery: Delivery) -> str:
    if delivery.task:
        return f"{UNKNOWN_TASK} {delivery.task[:_NAME]!r}: no app of this worker registers it"
    return f"raw message, but no consumer of queue {delivery.queue!r} runs here"
