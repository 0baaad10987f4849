"""Publishing in the caller's own transaction: the caller's changes and the messages are committed together, or neither.

Everything happens on the caller's connection, in its thread; the file need not be open here. Nobody is told before the
commit: a hook of SQLite's says when it comes, and then our writer, which has to wait for it, rings the bells.
"""

import contextlib
import weakref
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import apsw

from forebay.engine.contract import Receipt
from forebay.engine.sqlite import theirs
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.errors import translate
from forebay.engine.sqlite.limits import declare
from forebay.engine.sqlite.publishing import Publishing
from forebay.engine.sqlite.room import Room
from forebay.engine.sqlite.writer import Transaction, tally
from forebay.model.errors import EngineClosed, EngineError, EngineFull, ForebayError
from forebay.model.message import Message
from forebay.model.queue import QueueSpec

#: Bytes that a message takes beside its body, about; and pages that any publish may need.
_AROUND, _SPARE = 400, 8


class Transacting:
    """`forebay.engine.backend.Transacts` for one file."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._pending: weakref.WeakKeyDictionary[apsw.Connection, set[str]] = weakref.WeakKeyDictionary()

    async def owns(self, connection: Any) -> bool:
        """See `Transacts.owns`."""
        return theirs.leads_to(connection, self._db.path)

    async def publish_in(
        self, connection: Any, messages: Sequence[Message], queues: Sequence[QueueSpec] = ()
    ) -> list[Receipt]:
        """See `Transacts.publish_in`."""
        own = theirs.check_kind(connection)
        try:
            with theirs.plainly(own):
                theirs.check(own, self._db.path, self._db.vfs)
                tx, receipts = self._publish(own, messages, queues)
            self._expect(own, tx.topics)
        except apsw.Error as error:
            raise _told(error, own, str(self._db.path)) from error
        return receipts

    def _publish(
        self, connection: apsw.Connection, messages: Sequence[Message], queues: Sequence[QueueSpec]
    ) -> tuple[Transaction, list[Receipt]]:
        """All of them, or an error and nothing. What the caller has changed before stays as it is."""
        connection.execute("savepoint forebay_publish")
        try:
            tx, wanted = Transaction(connection, self._db.clock), {message.queue for message in messages}
            self._fits(tx, messages)
            declare(tx, [spec for spec in queues if spec.name in wanted])
            # no limit for SQLite: at that it would undo the caller's whole transaction
            place = SimpleNamespace(room=Room(self._db.path, 0), path=self._db.path)
            receipts = Publishing(cast("Database", place)).publish(tx, messages)
            tally(tx)
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback to forebay_publish")
                connection.execute("release forebay_publish")
            raise
        connection.execute("release forebay_publish")
        return tx, receipts

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
            connection.set_commit_hook(self._committing(pending), id=self)
            connection.set_rollback_hook(pending.clear, id=self)
        pending.update(topics)

    def _committing(self, pending: set[str]) -> Callable[[], bool]:
        """What SQLite calls right before a commit; True would undo it."""

        def hook() -> bool:
            topics = pending.copy()
            pending.clear()
            if topics:
                with contextlib.suppress(EngineClosed):  # not open here: workers see it at their next look
                    self._db.writer.tell(_ring, topics)
            return False

        return hook


def _ring(tx: Transaction, topics: set[str]) -> None:
    """Carried out by the writer once it can write, which is after the caller's commit."""
    tx.topics.update(topics)


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
