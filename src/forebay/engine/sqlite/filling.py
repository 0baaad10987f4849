"""Queues that hold only so much: what a queue's limit is, what waits in it, and what becomes of one more message.

Counted are the tallies, which stand in the file and change with each state, so that it takes three of their rows,
however much waits. All of it is an operation of the writer's transaction: nobody else publishes meanwhile.
"""

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from forebay.engine.contract import Fate, Receipt
from forebay.engine.full import Filled, child, exempt, refusal, room
from forebay.engine.sqlite import rows, weighing
from forebay.engine.sqlite.ended import ended
from forebay.engine.sqlite.holding import holder
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.limit import Drain, Level, grown, kept, never, noted, over, refused, surplus
from forebay.model.message import Message
from forebay.model.queue import Limit, fields_of

_logger = logging.getLogger("forebay.sqlite")
_limit = msgspec.msgpack.Decoder(Limit).decode
_drain = msgspec.msgpack.Decoder(Drain).decode
#: Since when the first is due that no lease has looked at since.
_DUE = "select due from message indexed by message_due where state = 0 and due <= ? and queue = ? order by due limit 1"
#: What waits, and what has come in since ever.
_COUNTED = "ready", "scheduled", "published"


@lru_cache(256)
def limit(held: bytes) -> Limit:
    """From the column `room` of a queue; what cannot be read bounds nothing until the queue is declared again."""
    try:
        return _limit(held)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _logger.warning("the limit of a queue cannot be read, and bounds nothing until it is declared: %s", error)
        return Limit()


def fields(held: bytes | None) -> dict[str, Any]:
    """The same as `QueueSpec` has it."""
    return {} if held is None else fields_of(limit(held))


def drain_of(packed: bytes | None) -> Drain | None:
    """From the column `drain` of a queue."""
    try:
        return None if packed is None else _drain(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def declare(tx: Transaction, queue: str, before: bytes | None, now: Limit | None) -> None:
    """Write down what a queue holds at the most from now on."""
    after = None if now is None else rows.pack(now)
    if after != before:
        tx.queues.pop(queue, None)
        tx.db.execute("update queue set room = ?, drain = null where name = ?", (after, queue))
        weighing.declare(tx, queue, weighed=now is not None and now.size is not None)


def tell(tx: Transaction, queues: Iterable[str]) -> None:
    """Messages of these queues were leased: where that leaves room, whoever waits for it is told."""
    for queue in queues:
        held: bytes | None = tx.value("select room from queue where name = ?", (queue,))
        if held is not None and _may_be_full(tx, queue, limit(held)):
            tx.topics.add(room(queue))


def _may_be_full(tx: Transaction, queue: str, most: Limit) -> bool:
    """Whether it was full before this transaction, whose counts are not written down yet; or may have been."""
    if most.messages is None or most.size is not None:
        return True
    found: list[tuple[int]] = tx.rows(
        "select n from tally where queue = ? and name in ('ready', 'scheduled')", (queue,)
    )
    return sum(n for (n,) in found) >= most.messages - kept(most)


class Filling:
    """One queue with a limit, while a batch comes in, whose first message for it has `size` bytes.

    Attributes:
        keep: seconds that the end of a message is kept that has to go.
    """

    def __init__(self, tx: Transaction, queue: str, held: bytes, size: int, keep: float) -> None:
        self.queue, self.keep = queue, keep
        self._tx, self._limit = tx, limit(held)
        self._refused = self._behind = 0  # messages that were refused, and their bytes: nothing is to overtake them
        self._new = False  # whether something new came in
        self.grew: int | None = None  # the number of one that waits and has just become larger
        self._level = self._count()
        self._drain = self._look(size)

    def _count(self) -> Level:
        found: dict[str, int] = dict(
            self._tx.rows(
                "select name, n from tally where queue = ?1 and name in (?2, ?3, ?4)", (self.queue, *_COUNTED)
            )
        )
        ready, scheduled, published = (
            found.get(name, 0) + self._tx.counts.get((self.queue, name), 0) for name in _COUNTED
        )
        return Level(ready + scheduled, published - ready - scheduled, self._size(), self._age())

    def _size(self) -> int:
        """Bytes that wait, where they are bound."""
        return 0 if self._limit.size is None else weighing.size_of(self._tx, self.queue)

    def _age(self) -> float:
        """How long the oldest ready one has waited, where that is bound."""
        if self._limit.age is None:
            return 0.0
        named = (rows.many([self.queue]),)
        found = [*self._tx.rows(rows.sql("oldest"), named), *self._tx.rows(rows.sql("oldest_back"), named)]
        found += self._tx.rows(_DUE, (self._tx.now, self.queue))
        since = [row[-1] for row in found if row[-1] is not None]
        return max(0.0, self._tx.now - min(since, default=self._tx.now))

    def _look(self, size: int) -> Drain:
        packed: bytes | None = self._tx.value("select drain from queue where name = ?", (self.queue,))
        known = drain_of(packed)
        drain = noted(known, self._limit, self._level, self._tx.now, size)
        return drain if drain is known else self._keep(drain)

    def _keep(self, drain: Drain) -> Drain:
        self._tx.db.execute("update queue set drain = ? where name = ?", (rows.pack(drain), self.queue))
        return drain

    @property
    def _ahead(self) -> Level:
        return self._level.plus(0, self._behind)

    def takes(self, alike: "list[Message]") -> bool:
        """Whether there is room for messages of one form, all of them; False also where they have to be looked at."""
        size = sum(len(message.body) for message in alike)
        if exempt(alike[0]):
            return True
        if self._limit.size is not None and self._ahead.size + size > self._limit.size:
            return False
        return not self._over(alike[0], size, len(alike))

    def _over(self, one: Message, size: int, n: int) -> str:
        """Why such messages may not come in."""
        return over(self._limit, self._ahead, size, n, child=child(one), priority=one.priority)

    def take(self, message: Message, insert: Callable[[], Receipt]) -> Receipt:
        """One message, or what is said to its producer. `insert` takes it in, or finds out that it is known."""
        size, self.grew = len(message.body), None
        held = self._replaced(message)
        full = never(self._limit, size) or self._unfit(message, size, held)
        if not full or exempt(message) or (held is None and self._known(message)):
            receipt = insert()
            self.took(receipt, message)
            if held is not None and size > held[1] and not exempt(message):
                self.grew, self._new = held[0], True
            return receipt
        return self._refuse(message, size, None if held is None else held[1])

    def _unfit(self, message: Message, size: int, held: tuple[int, int] | None) -> str:
        """Why it may not come in, or not take the place of one that waits."""
        if held is None:
            return self._over(message, size, 1)
        return grown(self._limit, self._level, size, held[1], self._behind, child=child(message))

    def _refuse(self, message: Message, size: int, instead: int | None) -> Receipt:
        opens: float | None = self._tx.value(rows.sql("opens"), (self.queue, self._tx.now))
        filled = Filled(self._limit, self._level, self._drain, self._tx.now, opens)
        if never(self._limit, size):
            return refusal(message, filled)
        ahead = self._ahead if instead is None else self._ahead.plus(-1, -instead)
        if (drain := refused(self._drain, self._limit, ahead, self._tx.now, size)) is not self._drain:
            self._drain = self._keep(drain)
        self._refused, before, self._behind = self._refused + 1, self._behind, self._behind + size
        return refusal(message, filled, self._refused, before, instead)

    def _replaced(self, message: Message) -> tuple[int, int] | None:
        """Number and bytes of the one that waits whose place it takes, where bytes are bound; None if there is none."""
        if self._limit.size is None or message.debounce <= 0 or message.unique is None or self._noted(message):
            return None
        found = holder(self._tx, message)
        if found is None or found[4] == rows.RUNNING or found[2:4] != (message.queue, message.task):
            return None
        return found[0], self._tx.value("select length(body) from message where seq = ?", (found[0],))

    def took(self, receipt: Receipt, message: Message) -> None:
        """It came in, if that is what its receipt says."""
        if receipt.fate is Fate.ACCEPTED:
            self._level = self._level.plus(1, len(message.body))
            self._new = self._new or not exempt(message)
        elif receipt.fate is Fate.MERGED:
            self._level = self._level._replace(size=self._size())

    def surplus(self) -> tuple[int, int]:
        """How many of the oldest have to go, and how many bytes."""
        return surplus(self._limit, self._count()) if self._new else (0, 0)

    def _known(self, message: Message) -> bool:
        """Whether it is no further message: its id is known, or what holds its unique key stands for it."""
        if self._noted(message):
            return True
        if message.unique is None:
            return False
        found = holder(self._tx, message)
        return found is not None and not (message.debounce > 0 and found[4] == rows.RUNNING)

    def _noted(self, message: Message) -> bool:
        """Whether its id is known, as that of a message, or of one that was merged."""
        tx = self._tx
        if tx.value("select 1 from message where id = ?", (message.id,)) or ended(tx, [message.id]):
            return True
        return message.debounce > 0 and bool(tx.value("select 1 from merged where id = ?", (message.id,)))
