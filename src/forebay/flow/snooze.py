"""`raise Snooze(60)` or `return Snooze(60)`: not now, and the attempt does not count."""

from forebay.model.duration import Duration, seconds


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
