"""Accepting messages: operations of the writer's transaction."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Fate, Receipt
from forebay.engine.sqlite import rows
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.model.message import Message
from forebay.model.queue import QueueSpec

#: The topic that tells of a queue's news.
QUEUE = "queue:"


class Publishing:
    """Publishes; remembers which queues and lanes the file knows already."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def publish(self, tx: Transaction, messages: Sequence[Message]) -> list[Receipt]:
        """Insert all; a receipt each. Those already known change nothing."""
        places = {(message.queue, message.lane) for message in messages}
        for place in places - self._known:
            self._introduce(tx, *place)
        ttls = {queue: _ttl(tx, queue) for queue, _ in places}
        values = [_values(message, ttls[message.queue], tx.now) for message in messages]
        if not _insert_all(tx, values):
            return [_insert_one(tx, message, row) for message, row in zip(messages, values, strict=True)]
        _account(tx, values)
        return [Receipt(message.id) for message in messages]

    def _introduce(self, tx: Transaction, queue: str, lane: str) -> None:
        tx.db.execute("insert into queue (name) values (?) on conflict do nothing", (queue,))
        tx.db.execute("insert into lane (queue, lane) values (?, ?) on conflict do nothing", (queue, lane))
        tx.after.append(lambda: self._known.add((queue, lane)))


def declare(tx: Transaction, queues: Sequence[QueueSpec]) -> None:
    """Add or change queues."""
    for spec in queues:
        tx.db.execute(
            "insert into queue (name, ttl) values (?, ?) on conflict do update set ttl = excluded.ttl",
            (spec.name, spec.ttl),
        )
        tx.db.execute("insert into lane (queue, lane) values (?, '') on conflict do nothing", (spec.name,))


def _ttl(tx: Transaction, queue: str) -> float | None:
    return tx.db.execute("select ttl from queue where name = ?", (queue,)).get  # type: ignore[no-any-return]


def _values(message: Message, ttl: float | None, now: float) -> tuple[Any, ...]:
    due = message.due if message.due is not None else (now + message.delay if message.delay > 0 else None)
    if due is not None and due <= now:
        due = None
    ttl = message.ttl if message.ttl is not None else ttl
    return (
        message.id,
        message.queue,
        message.lane,
        rows.READY if due is None else rows.SCHEDULED,
        message.priority,
        now,
        due,
        None if ttl is None else now + ttl,
        message.key,
        message.unique,
        message.task,
        rows.pack_or_none(message.headers),
        message.body,
    )


def _insert_all(tx: Transaction, values: list[tuple[Any, ...]]) -> bool:
    """The usual case in one go; if any was a duplicate nothing is inserted and the slow path decides one by one."""
    if len(values) < 2:
        return False
    tx.db.execute("savepoint batch")
    before = tx.db.total_changes()
    tx.db.executemany(sql("publish"), values)
    complete = tx.db.total_changes() - before == len(values)
    if not complete:
        tx.db.execute("rollback to batch")
    tx.db.execute("release batch")
    return complete


def _insert_one(tx: Transaction, message: Message, row: tuple[Any, ...]) -> Receipt:
    tx.db.execute(sql("publish"), row)
    if tx.db.changes():
        _account(tx, [row])
        return Receipt(message.id)
    return Receipt(_holder(tx, message), Fate.DUPLICATE)


def _holder(tx: Transaction, message: Message) -> str:
    """The message that stands for a duplicate: itself, or the one that holds its unique key."""
    if message.unique is None or tx.db.execute(sql("known"), (message.id,)).get:
        return message.id
    holder = tx.db.execute("select id from message where uniq = ?", (message.unique,)).get
    return holder or message.id


def _account(tx: Transaction, values: Sequence[tuple[Any, ...]]) -> None:
    for (queue, state), n in Counter((row[1], row[3]) for row in values).items():
        tx.count(queue, "published", n)
        tx.count(queue, rows.LIVE_STATES[state], n)
        tx.topics.add(QUEUE + queue)
