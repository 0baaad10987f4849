"""How many messages to lease now: what can start at once, and a little more, so that fast work never waits for one."""

#: Seconds of work that a worker may hold ahead of its free slots. A slow task is thus never held behind another.
AHEAD = 0.02
#: The most that is asked for at once; bounds one transaction.
MOST = 1_000


def demand(free: int, buffered: int, rate: float) -> int:
    """Messages to ask for.

    Args:
        free: slots with nothing to run.
        buffered: messages leased and not started.
        rate: messages a second that this worker finished lately.
    """
    ahead = int(rate * AHEAD)
    if free <= 0 and buffered * 2 > ahead:
        return 0  # still more than half: one larger lease a little later beats two small ones now
    return max(0, min(MOST, free + ahead - buffered))
