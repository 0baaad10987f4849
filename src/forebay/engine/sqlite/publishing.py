"""Accepting messages: operations of the writer's transaction."""

from collections.abc import Sequence
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

import apsw
from msgspec.structs import replace

from forebay.engine.contract import MERGED_FOR, Fate, Receipt
from forebay.engine.sqlite import limits, rows, stirring
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.ended import ended
from forebay.engine.sqlite.filling import Filling
from forebay.engine.sqlite.holding import holder
from forebay.engine.sqlite.room import Room
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.shedding import shed
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.lane import Split, own, place
from forebay.model.message import Message, born, quiet, start

#: Characters of an id; one of another length is inserted by itself.
ID_LENGTH = 32


class Publishing:
    """Publishes; remembers which queues and lanes the file knows already."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._known: set[tuple[str, str]] = set()
        self._room: Room | None = None  # which is new whenever the file is opened

    def publish_all(self, tx: Transaction, batches: Sequence[Sequence[Message]]) -> list[list[Receipt]]:
        """`publish` for several callers: what they bring is mostly alike, and goes to SQLite as one batch."""
        if len(batches) == 1:
            return [self.publish(tx, batches[0])]
        receipts = iter(self.publish(tx, list(chain.from_iterable(batches))))
        return [list(islice(receipts, len(batch))) for batch in batches]

    def publish(self, tx: Transaction, messages: Sequence[Message], *, bound: bool = True) -> list[Receipt]:
        """Insert all; a receipt each. Those already known change nothing.

        Args:
            bound: those that their queues have no room for are refused.

        Raises:
            EngineFull: there is no room for them; nothing was changed.
            EngineError: a row of somebody else has used up the numbers of messages.
        """
        return self._db.room.within(tx, self._bring_in, messages, bound)

    def _bring_in(self, tx: Transaction, messages: Sequence[Message], bound: bool) -> list[Receipt]:
        receipts = self._insert(tx, messages, bound)
        stirring.tell_come(tx)
        return receipts

    def _insert(self, tx: Transaction, messages: Sequence[Message], bound: bool) -> list[Receipt]:
        if self._room is not self._db.room:
            self._room, self._known = self._db.room, set()
        if len(messages) == 1:  # as most who enqueue one by one
            (one,) = messages
            if (one.queue, one.lane) not in self._known:
                self._introduce(tx, one.queue, one.lane)
            if one.meters:
                limits.tell_apart(tx, one.queue, "named")
            ttl, told, room = _known(tx, one.queue)
            form, sign = _values(one, ttl, told, tx.now), _sign(told)
            if room is not None and bound:
                filling = Filling(tx, one.queue, room, _size(one), self._db.settings.result_ttl)
                receipt = _take(tx, one, form, filling, sign)
                shed(tx, filling)
                return [receipt]
            return [_insert_one(tx, one, form, sign)]
        return self._insert_many(tx, messages, bound)

    def _insert_many(self, tx: Transaction, messages: Sequence[Message], bound: bool) -> list[Receipt]:
        places = {(message.queue, message.lane) for message in messages}
        for queue, lane in places - self._known:
            self._introduce(tx, queue, lane)
        for queue in {message.queue for message in messages if message.meters}:
            limits.tell_apart(tx, queue, "named")
        known = {queue: _known(tx, queue) for queue, _ in places}
        bounded = {queue: room for queue, (_, _, room) in known.items() if room is not None and bound}
        first = {message.queue: _size(message) for message in reversed(messages)} if bounded else {}
        keep = self._db.settings.result_ttl
        filled = {queue: Filling(tx, queue, room, first[queue], keep) for queue, room in bounded.items()}
        receipts: list[Receipt] = []
        for form, run in groupby(messages, _form):
            ttl, told, _ = known[form.queue]
            values = _values(form, ttl, told, tx.now)
            receipts += _insert_within(tx, list(run), values, filled.get(form.queue), _sign(told))
        for filling in filled.values():
            shed(tx, filling)
        return receipts

    def _introduce(self, tx: Transaction, queue: str, lane: str) -> None:
        limits.introduce(tx, queue)
        tx.db.execute("insert into lane (queue, lane, go) values (?, ?, 0) on conflict do nothing", (queue, lane))
        known = self._known  # of the file that this is committed to
        tx.after.append(lambda: known.add((queue, lane)))


def _size(message: Message) -> int:
    """Bytes for which a queue has to have room; none are certain of one that may take the place of another."""
    return 0 if message.debounce > 0 else len(message.body)


def _known(tx: Transaction, queue: str) -> tuple[float | None, Split | None, bytes | None]:
    """The time to live of a queue's messages, what it tells apart, and what it holds at the most."""
    known: tuple[float | None, Split | None, bytes | None] | None = tx.queues.get(queue)
    if known is None:
        ttl, told, room = tx.rows("select ttl, limits, room from queue where name = ?", (queue,))[0]
        known = tx.queues[queue] = ttl, None if told is None else limits.split(told), room
    return known


def _sign(told: Split | None) -> int:
    """What a number is multiplied by: where the newest goes first they are counted down, and their order is by that."""
    return -1 if told is not None and told.spec.lifo else 1


def _values(message: Message, ttl: float | None, told: Split | None, now: float) -> tuple[Any, ...]:
    """The columns of a form, between id and body."""
    created, due = born(message, now), start(message, now)
    expires = _expires(message, ttl, created)
    since = created if created < now else None  # in the line it stands behind others, and yet is older
    mine = own(message.lane, message.meters)
    lane = mine if told is None else place(mine, message.task, message.key, told)
    return (
        message.queue,
        lane,
        rows.READY if due <= now else rows.SCHEDULED,
        message.priority,
        created,
        since if due <= now else due,
        expires,
        message.key,
        message.unique,
        message.task,
        rows.pack_or_none(message.headers),
        None if lane == mine else mine,
        None if message.cost == 1.0 else message.cost,
    )


def _expires(message: Message, ttl: float | None, created: float) -> float | None:
    ttl = message.ttl if message.ttl is not None else ttl
    return None if ttl is None else created + ttl


def _form(message: Message) -> Message:
    """What a message has in common with others of its batch: all but id and body."""
    return replace(message, id="", body=b"")


def _insert_within(
    tx: Transaction, alike: list[Message], form: tuple[Any, ...], filling: Filling | None, sign: int
) -> list[Receipt]:
    """Messages of one form into a queue that may have a limit: what fits, in order."""
    if filling is None:
        return _insert_alike(tx, alike, form, sign)
    if filling.takes(alike):
        receipts = _insert_alike(tx, alike, form, sign)
        for receipt, message in zip(receipts, alike, strict=True):
            filling.took(receipt, message)
        return receipts
    return [_take(tx, message, form, filling, sign) for message in alike]


def _take(tx: Transaction, message: Message, form: tuple[Any, ...], filling: Filling, sign: int) -> Receipt:
    """One message, if there is room. One with a unique key finds who is there after those that had to go."""
    if message.unique is not None:
        shed(tx, filling)
    receipt = filling.take(message, partial(_insert_one, tx, message, form, sign))
    if filling.grew is not None:
        shed(tx, filling, filling.grew)
    return receipt


def _insert_alike(tx: Transaction, alike: Sequence[Message], form: tuple[Any, ...], sign: int) -> list[Receipt]:
    """Messages of one form, usually a whole batch; those that are duplicates are found out one by one."""
    if (
        len(alike) > 1
        and alike[0].unique is None
        and alike[0].carried is None
        and _are_new(tx, alike)
        and _insert_all(tx, alike, form, sign)
    ):
        return [Receipt(message.id) for message in alike]
    return [_insert_one(tx, message, form, sign) for message in alike]


def _are_new(tx: Transaction, alike: Sequence[Message]) -> bool:
    """Whether their ids are of the usual form, and none of them has ended."""
    ids = [message.id for message in alike]
    return set(map(len, ids)) == {ID_LENGTH} and "".join(ids).isascii() and not ended(tx, ids)


def _insert_all(tx: Transaction, alike: Sequence[Message], form: tuple[Any, ...], sign: int) -> bool:
    """All in one statement, or nothing.

    Each id and body goes as one blob of one array, and SQLite takes them apart: half the work of binding row by row.
    """
    pairs = tuple([message.id.encode() + message.body for message in alike])
    tx.db.execute("savepoint alike")
    tx.db.execute(sql("publish_alike"), (apsw.carray(pairs), *form, tx.number(len(alike)) - 1, sign))
    complete = tx.db.changes() == len(alike)
    if complete:
        _account(tx, form, len(alike))
    else:
        tx.db.execute("rollback to alike")
    tx.db.execute("release alike")
    return complete


def _insert_one(tx: Transaction, message: Message, form: tuple[Any, ...], sign: int) -> Receipt:
    if message.unique is not None and (receipt := _held(tx, message, form)) is not None:
        return receipt
    tx.db.execute(sql("publish"), (message.id, *form, message.body, sign * tx.number()))
    if not tx.db.changes():
        return Receipt(message.id, Fate.DUPLICATE)
    _account(tx, form, 1)
    if message.debounce > 0:
        tx.db.execute(sql("overtake"), (message.unique, message.id, tx.now + MERGED_FOR))
    elif message.unique is not None:  # once merged into another, it stands for itself from now on
        tx.db.execute("delete from merged where id = ?", (message.id,))
    if (carried := message.carried) is not None:
        failure = rows.pack_or_none(carried.failure)
        tx.db.execute(sql("carry"), (message.id, carried.attempt, carried.lost, failure))
    return Receipt(message.id)


def _held(tx: Transaction, message: Message, form: tuple[Any, ...]) -> Receipt | None:
    """The answer to a message that is known, or whose unique key a live one holds; None if it may come in."""
    if tx.value(sql("known"), (message.id,)):
        return Receipt(message.id, Fate.DUPLICATE)
    if message.debounce > 0 and (into := tx.value("select holder from merged where id = ?", (message.id,))):
        return Receipt(into, Fate.MERGED)  # tried again: what came after it must not be undone
    found = holder(tx, message)
    if found is None or (message.debounce > 0 and found[4] == rows.RUNNING):
        return None
    seq, held, queue, task, state, attempt, created, lane, shut = found
    if message.debounce <= 0 or (queue, task) != (message.queue, message.task):
        return Receipt(held, Fate.DUPLICATE)
    tried, parked = attempt > 0, state == rows.READY and shut  # what was tried were other arguments
    due = None if parked else quiet(message, tx.now if tried else created, tx.now)
    _, _, _, _, _, _, expires, _, _, _, headers, _, _ = form
    tx.db.execute(sql("merge"), (seq, message.body, headers, expires, due, tried, tx.now))
    tx.db.execute("delete from merged where id = ?", (held,))
    tx.db.execute("insert into merged (id, holder, until) values (?, ?, ?)", (message.id, held, tx.now + MERGED_FOR))
    if not parked:
        tx.moved(queue, str(rows.live(state)), "scheduled")
        if lane and state == rows.READY:
            stirring.stir(tx, queue, {lane: -1})
    tx.topics.add(QUEUE + queue)
    return Receipt(held, Fate.MERGED)


def _account(tx: Transaction, form: tuple[Any, ...], n: int) -> None:
    """`n` messages of this form came in."""
    queue, lane, state, *_ = form
    tx.count(queue, "published", n)
    tx.count(queue, rows.live(state), n)
    if lane and state == rows.READY:
        stirring.come(tx, queue, lane, n)
    tx.topics.add(QUEUE + queue)
