"""How many messages to lease now: what can start at once, and a little more, so that fast work never waits for one."""

#: Seconds of work that a worker may hold ahead of its free slots: `AHEAD`, and up to `LONGEST` where a lease takes so
#: long that nothing would be left to run before its answer is here. A slow task is thus never held behind another.
AHEAD, LONGEST = 0.02, 0.04
#: Leases that would fit into what is held ahead. One is asked for when half of that is left.
TRIPS = 4
#: The most that is asked for at once; bounds one transaction.
MOST = 1_000


def ahead(rate: float, trip: float) -> int:
    """Messages that a worker may hold beyond those that run.

    Args:
        rate: messages a second that it finished lately.
        trip: seconds that its leases take, from asking to the answer.
    """
    return int(rate * min(LONGEST, max(AHEAD, TRIPS * trip)))


def demand(free: int, buffered: int, ahead: int) -> int:
    """Messages to ask for.

    Args:
        free: slots with nothing to run.
        buffered: messages leased and not started.
        ahead: as many as it may hold of those.
    """
    if free <= 0 and buffered * 2 > ahead:
        return 0  # still more than half: one larger lease a little later beats two small ones now
    return max(0, min(MOST, free + ahead - buffered))
