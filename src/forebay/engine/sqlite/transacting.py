"""Publishing and settling in the caller's own transaction: together with the caller's changes, or not at all.

Everything happens on the caller's connection, in its thread; the file need not be open here. Nobody is told before the
commit: a hook of SQLite's says when it comes, and then our writer, which has to wait for it, rings the bells.
"""

import contextlib
import weakref
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import apsw

from forebay.engine.backend import Completed
from forebay.engine.contract import Receipt
from forebay.engine.full import refused
from forebay.engine.sqlite import theirs
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.errors import translate
from forebay.engine.sqlite.limits import declare
from forebay.engine.sqlite.publishing import Publishing
from forebay.engine.sqlite.room import Room
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.writer import Transaction, tally
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineClosed, EngineError, EngineFull, ForebayError
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import QueueSpec

T = TypeVar("T")
#: Bytes that a message takes beside its body, about; and pages that any publish may need.
_AROUND, _SPARE = 400, 8


class Transacting:
    """`forebay.engine.backend.Transacts` for one file."""

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db, self._settling = database, settling
        self._pending: weakref.WeakKeyDictionary[apsw.Connection, set[str]] = weakref.WeakKeyDictionary()
        self._doing: weakref.WeakKeyDictionary[apsw.Connection, set[str]] = weakref.WeakKeyDictionary()

    async def owns(self, connection: Any) -> bool:
        """See `Transacts.owns`."""
        return theirs.leads_to(connection, self._db.path)

    async def publish_in(
        self, connection: Any, messages: Sequence[Message], queues: Sequence[QueueSpec] = ()
    ) -> list[Receipt]:
        """See `Transacts.publish_in`."""
        wanted = {message.queue for message in messages}

        def publish(tx: Transaction) -> list[Receipt]:
            self._fits(tx, messages)
            declare(tx, [spec for spec in queues if spec.name in wanted])
            # no limit for SQLite: at that it would undo the caller's whole transaction
            place = SimpleNamespace(room=Room(self._db.path, 0), path=self._db.path, settings=self._db.settings)
            receipts = Publishing(cast("Database", place)).publish(tx, messages)
            if (error := refused(receipts, within=True)) is not None:
                raise error
            return receipts

        return self._within(connection, publish)

    async def complete_in(self, connection: Any, worker: str, settlement: Settlement) -> bool:
        """See `Transacts.complete_in`."""

        def complete(tx: Transaction) -> bool:
            return self._settling.settle(tx, worker, [settlement])[0]

        done = self._within(connection, complete)
        if done:
            self._doing.setdefault(connection, set()).add(settlement.delivery.id)
        return done

    async def completed(self, worker: str, deliveries: Sequence[Delivery]) -> list[Completed]:
        """See `Transacts.completed`. The writer asks, whose turn comes when every other transaction has ended.

        One that is open on a connection of this process is known to be, and not waited for.
        """
        if any(self._open(one) is not None for one in deliveries):
            return [Completed.OPEN for _ in deliveries]
        return await self._db.writer.submit(_standings, worker, list(deliveries))

    async def undo(self, delivery: Delivery) -> bool:
        """See `Transacts.undo`."""
        if (own := self._open(delivery)) is None:
            return False
        try:
            with theirs.plainly(own):
                own.execute("rollback")
        except apsw.Error as error:
            raise _told(error, own, str(self._db.path)) from error
        return True

    def _open(self, delivery: Delivery) -> apsw.Connection | None:
        """The connection on which the transaction is open in which this is done."""
        return next((one for one, doing in list(self._doing.items()) if delivery.id in doing), None)

    def _within(self, connection: Any, act: Callable[[Transaction], T]) -> T:
        """All that `act` does, or an error and nothing. What the caller has changed before stays as it is."""
        own = theirs.check_kind(connection)
        try:
            with theirs.plainly(own):
                theirs.check(own, self._db.path, self._db.vfs)
                tx, answer = self._carry_out(own, act)
            self._expect(own, tx.topics)
        except apsw.Error as error:
            raise _told(error, own, str(self._db.path)) from error
        return answer

    def _carry_out(self, connection: apsw.Connection, act: Callable[[Transaction], T]) -> tuple[Transaction, T]:
        connection.execute("savepoint forebay")
        try:
            tx = Transaction(connection, self._db.clock)
            answer = act(tx)
            tally(tx)
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback to forebay")
                connection.execute("release forebay")
            raise
        connection.execute("release forebay")
        return tx, answer

    def _fits(self, tx: Transaction, messages: Sequence[Message]) -> None:
        """Whether `max_size` leaves room for them, with what the transaction has written up to now.

        Raises:
            EngineFull: it does not.
        """
        if not (limit := self._db.settings.max_size):
            return
        page, count, free = (int(tx.value(f"pragma {name}")) for name in ("page_size", "page_count", "freelist_count"))
        needed = sum(len(message.body) + _AROUND for message in messages) // page + _SPARE
        if (count - free + needed) * page > limit:
            raise EngineFull(
                f"{self._db.path} has reached max_size = {limit:,} bytes: let the workers catch up, delete what is not "
                "needed, or raise max_size; the transaction is as it was before"
            )

    # --- the commit ---

    def _expect(self, connection: apsw.Connection, topics: set[str]) -> None:
        """Have the bells rung for these once the connection commits."""
        pending = self._pending.get(connection)
        if pending is None:
            pending = self._pending[connection] = set()
            doing = self._doing.setdefault(connection, set())
            connection.set_commit_hook(self._committing(pending, doing), id=self)
            connection.set_rollback_hook(pending.clear, id=self)
            connection.set_rollback_hook(doing.clear, id=(self, "doing"))
        pending.update(topics)

    def _committing(self, pending: set[str], doing: set[str]) -> Callable[[], bool]:
        """What SQLite calls right before a commit; True would undo it."""

        def hook() -> bool:
            topics = pending.copy()
            pending.clear()
            doing.clear()
            if topics:
                with contextlib.suppress(EngineClosed):  # not open here: workers see it at their next look
                    self._db.writer.tell(_ring, topics)
            return False

        return hook


def _ring(tx: Transaction, topics: set[str]) -> None:
    """Carried out by the writer once it can write, which is after the caller's commit."""
    tx.topics.update(topics)


def _standings(tx: Transaction, worker: str, deliveries: Sequence[Delivery]) -> list[Completed]:
    return [_standing(tx, worker, one) for one in deliveries]


def _standing(tx: Transaction, worker: str, one: Delivery) -> Completed:
    if tx.rows(sql("owned"), (one.receipt, one.fence, one.id, worker)):
        return Completed.UNDONE
    elsewhere = tx.value(sql("elsewhere"), (one.id, worker))
    return Completed.LOST if elsewhere else Completed.COMMITTED


def _told(error: apsw.Error, connection: apsw.Connection, path: str) -> ForebayError:
    """Our error for one of SQLite's on a connection of the caller's."""
    if isinstance(error, apsw.BusyError):
        text = (
            f"{path}: this transaction cannot write now ({error}): others have written since it began, or are at it. "
            "Begin it with `begin immediate`, on a connection that waits for them: connection.set_busy_timeout(10_000)"
        )
    elif isinstance(error, apsw.ThreadingViolationError):
        text = "in_transaction=: another thread is using this connection: one thread at a time may"
    else:
        ours = translate(error, path)
        text = str(ours)
    with contextlib.suppress(apsw.Error):
        if not connection.in_transaction:
            text += "; SQLite has undone the whole transaction: begin it again"
    return (EngineFull if isinstance(error, apsw.FullError) else EngineError)(text)
