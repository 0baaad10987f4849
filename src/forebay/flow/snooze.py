"""`raise Snooze(60)` or `return Snooze(60)`: not now, and the attempt does not count."""

from forebay.model import outcome
from forebay.model.duration import Duration, seconds
from forebay.model.outcome import SNOOZED

#: A message that has been begun more often than this has not: its fence is no count.
MOST = 10**9


def put_off(delay: float, begun: int, why: str = "") -> outcome.Snooze:
    """What becomes of a message whose task wants to be run again in `delay` seconds.

    Args:
        begun: how often it has been begun so far, this time included, as its fence says. Nothing is told where fences
            count the leases of all messages.
        why: what the task says of it, "" if nothing.
    """
    times = "once" if begun == 1 else f"{begun:,} times"
    because = f", because of {why}" if why else ""
    if begun > MOST:
        return outcome.Snooze(delay, f"{SNOOZED} {delay:g} s{because}")
    return outcome.Snooze(delay, f"{SNOOZED} {delay:g} s{because}, begun {times} so far")


class Snooze(Exception):
    """What a task raises or returns to be run again later without using up an attempt.

    It is control flow like `Retry` and `DeadLetter`, and an `Exception` like them: what catches those catches this.

    Args:
        delay: until then.

    Raises:
        ConfigError: it is no duration.
    """

    def __init__(self, delay: Duration) -> None:
        self.delay = seconds(delay, "Snooze")
        super().__init__(self.delay)

    def __str__(self) -> str:
        return f"snooze for {self.delay:g} s"

    def __repr__(self) -> str:
        return f"Snooze({self.delay:g})"
