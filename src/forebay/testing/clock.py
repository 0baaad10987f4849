"""A clock that stands still until it is told otherwise, so that no test has to sleep for time to pass."""


class ManualClock:
    """A `Clock` to set by hand.

    Attributes:
        wall: what `now()` answers, seconds since the epoch. Setting it alone is what happens when somebody sets the
            date: leases, which are monotonic, do not notice.
        elapsed: what `monotonic()` answers, seconds since boot.
    """

    __slots__ = ("elapsed", "wall")

    def __init__(self, wall: float = 1_800_000_000.0, elapsed: float = 1_000.0) -> None:
        self.wall = wall
        self.elapsed = elapsed

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds since boot."""
        return self.elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass on both.

        Raises:
            ValueError: `seconds` is negative; a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"time cannot pass backwards ({seconds} s); set `wall` to turn back the date")
        self.wall += seconds
        self.elapsed += seconds
