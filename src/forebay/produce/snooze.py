"""`return Snooze(60)`: not now, and the try does not count."""

from forebay.model.duration import Duration, seconds


class Snooze:
    """What a task returns to be run again later without using up an attempt.

    Args:
        delay: until then.

    Raises:
        ConfigError: it is no duration.
    """

    __slots__ = ("delay",)

    def __init__(self, delay: Duration) -> None:
        self.delay = seconds(delay, "Snooze")

    def __repr__(self) -> str:
        return f"Snooze({self.delay:g})"
