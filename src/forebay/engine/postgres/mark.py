"""What notices that a server has lost what it held: the number of its newest message only grows, in one same table.

Remembers what the heartbeats of this process were told. A heartbeat is committed with what it reads, so that not even
a crash of the server takes that back: a number that has fallen means an older back-up, a standby that lagged, or a
table that was emptied with its numbers. Tells it once each time; nothing can be brought back from here.
"""

import logging

_logger = logging.getLogger("forebay.postgres")
#: What the audit calls it.
LOSS = "loss"


def loss(before: tuple[int, int | None] | None, now: tuple[int, int | None]) -> str:
    """How what a heartbeat was told differs from what the one before was; "" if nothing is lost.

    Args:
        before: the identity of the table, and its newest number; None where this user may not see that.
    """
    if before is None:
        return ""
    (table, newest), (table_now, newest_now) = before, now
    if newest is not None and newest_now is not None and newest_now < newest:
        return f"its newest message was number {newest:,} before, and {newest_now:,} then"
    return "" if table == table_now else "its table of messages was made anew"


class Mark:
    """What one engine has seen of its server."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._seen: tuple[int, int | None] | None = None

    def see(self, table: int, newest: int | None) -> str:
        """What a heartbeat was told; what it means, if something is lost, which is logged."""
        before, self._seen = self._seen, (table, newest)
        how = loss(before, self._seen)
        if how:
            _logger.error(
                "%s has lost messages that it had accepted: %s. Was it restored from an older back-up, replaced by a "
                "standby that lagged, or emptied? What was accepted since then and not run may be gone: publish it "
                "again; what has ended since then may run again",
                self._place,
                how,
            )
        return how
