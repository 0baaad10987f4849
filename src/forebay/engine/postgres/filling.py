"""Queues that hold only so much, on this side: how they are asked, and what is said of what they have no room for.

What waits is counted in SQL (`migrations/0028_room.sql`), in the transaction that publishes.
"""

from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Receipt
from forebay.engine.full import Filled, refusal
from forebay.engine.postgres.writer import Tx
from forebay.flow.limit import Drain, Level, never, refused
from forebay.model.message import Message
from forebay.model.queue import PATIENCE, Limit, fields_of

#: Who publishes: one after another, so that all together stay within a limit; a transaction of the caller's own, which
#: holds up nobody; or somebody whose messages are not new, and are never refused.
OURS, LENT, FREE = 0, 1, 2
#: The fate of one with a unique key for which there is no room.
FULL = 3


def columns(limit: Limit | None) -> tuple[Any, ...]:
    """What a queue holds at the most, as table `queue` has it."""
    if limit is None:
        return None, None, None, None, None, None
    return limit.messages, limit.size, limit.age, limit.on_full, limit.patience, limit.reserve or None


def fields(row: Sequence[Any]) -> dict[str, Any]:
    """The same as `QueueSpec` has it."""
    return fields_of(_limit(*row))


def _limit(messages: Any, size: Any, age: Any, on_full: Any, patience: Any, reserve: Any) -> Limit:  # noqa: PLR0917
    return Limit(
        messages=messages, size=size, age=age, on_full=on_full or "reject",
        patience=PATIENCE if patience is None else patience, reserve=reserve or 0.0,
    )  # fmt: skip


class Refusals:
    """The receipts of messages of one transaction for which there was no room."""

    def __init__(self, tx: Tx, mode: int = OURS) -> None:
        self._tx, self._notes = tx, mode == OURS
        self._looked: dict[str, Filled] = {}
        self._n: dict[str, int] = {}
        self._size: dict[str, int] = {}

    def behind(self, queue: str) -> int:
        """Bytes that were refused: nothing is to overtake them."""
        return self._size.get(queue, 0)

    def refuse(self, message: Message, holder: str = "") -> Receipt:
        """The receipt of one, the next of its queue, which was to take the place of `holder` if there is one."""
        queue, size = message.queue, len(message.body)
        if queue not in self._looked:
            self._looked[queue] = self._look(queue)
        filled, before = self._looked[queue], self.behind(queue)
        if never(filled.limit, size):
            return refusal(message, filled)
        instead = self._waits(holder) if holder not in {"", message.id} else None
        self._note(queue, filled, before + size - (instead or 0), 0 if instead is None else -1)
        self._n[queue] = self._n.get(queue, 0) + 1
        if filled.limit.size is not None:
            self._size[queue] = before + size
        return refusal(message, filled, self._n[queue], before, instead)

    def _waits(self, id_: str) -> int:
        """Bytes of a message that waits."""
        return next((int(size) for (size,) in self._tx.rows("bytes_of", id_)), 0)

    def _note(self, queue: str, filled: Filled, size: int, n: int) -> None:
        """Since when it is full, if nobody has found it so before; not while that would hold up others."""
        limit, level, drain, now, _ = filled
        if (
            self._notes
            and drain is not None
            and (after := refused(drain, limit, level.plus(n, 0), now, size)) is not drain
        ):
            self._looked[queue] = filled._replace(drain=after)
            self._tx.rows("found_full", queue, now)

    def _look(self, queue: str) -> Filled:
        row = self._tx.rows("filled", queue, self._tx.now)[0]
        most, most_bytes, most_age, on_full, patience, reserve, n, drained, drain, now, age, size, opens = row
        known = None if drain is None else Drain(drain[0], int(drain[1]), drain[2], int(drain[3]), drain[4] or 0.0)
        return Filled(
            _limit(most, most_bytes, most_age, on_full, patience, reserve),
            Level(int(n), int(drained), int(size), age or 0.0),
            known,
            now,
            opens,
        )
