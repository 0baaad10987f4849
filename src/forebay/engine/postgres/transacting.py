"""Publishing and settling in the caller's own transaction: together with the caller's changes, or not at all.

Everything happens on the caller's connection, within a savepoint; the engine need not be open here. Workers are told by
a NOTIFY in that transaction, which the server delivers at its commit.
"""

import contextlib
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from forebay.engine.aside import Aside
from forebay.engine.backend import Completed
from forebay.engine.contract import Receipt
from forebay.engine.full import refused
from forebay.engine.postgres import errors, filling, schema, theirs
from forebay.engine.postgres.bells import payloads
from forebay.engine.postgres.borrowed import Borrowed
from forebay.engine.postgres.database import OPENING, Database
from forebay.engine.postgres.link import Link
from forebay.engine.postgres.publishing import Publishing, declare
from forebay.engine.postgres.settling import Settling
from forebay.engine.postgres.topics import ENDED
from forebay.engine.postgres.wire import Wire
from forebay.engine.postgres.writer import Tx
from forebay.model.delivery import Delivery
from forebay.model.errors import ConfigError
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import QueueSpec

#: Messages that may be done together in one transaction, and be undone together if it is left open.
TOGETHER = 100
R = TypeVar("R")
T = TypeVar("T")
#: Levels of isolation at which a statement sees what is there when it begins.
_PRESENT = ("read committed", "read uncommitted")


class Transacting:
    """`forebay.engine.backend.Transacts` for one schema."""

    def __init__(self, database: Database, publishing: Publishing, settling: Settling) -> None:
        self._db, self._publishing, self._settling = database, publishing, settling
        self._place, self._declared = "", tuple[QueueSpec, ...]()
        self._ours: weakref.WeakSet[Any] = weakref.WeakSet()
        self._doing: weakref.WeakKeyDictionary[Any, tuple[Callable[[], Borrowed | None], deque[str]]]
        self._doing = weakref.WeakKeyDictionary()  # which messages were done last on a connection
        self._apart = Aside()

    async def owns(self, connection: Any) -> bool:
        """See `Transacts.owns`."""
        try:
            lent = await theirs.borrow(connection)
            await lent.within(lambda: self._check_place(lent))
        except ConfigError:
            return False
        return True

    async def publish_in(
        self, connection: Any, messages: Sequence[Message], queues: Sequence[QueueSpec] = ()
    ) -> list[Receipt]:
        """See `Transacts.publish_in`."""

        def publish(tx: Tx) -> list[Receipt]:
            receipts = self._publishing.publish(tx, messages, filling.LENT)
            if (error := refused(receipts, within=True)) is not None:
                raise error
            isolation = self._ring(tx)
            if isolation not in _PRESENT:
                self._check_past(tx, messages, isolation)
            return receipts

        return await self._within(connection, publish, tuple(queues))

    async def complete_in(self, connection: Any, worker: str, settlement: Settlement) -> bool:
        """See `Transacts.complete_in`."""

        def complete(tx: Tx) -> bool:
            (done,) = self._settling.settle(tx, worker, [settlement])
            if done and self._db.heeds(tx.ended):
                tx.topics.add(ENDED)
            tx.topics |= tx.freed
            if tx.topics:
                self._ring(tx)
            return done

        lent = await theirs.borrow(connection)
        done = await self._within(connection, complete)
        if done:
            with contextlib.suppress(TypeError):  # some cannot be remembered, and what they leave open is told only
                _, ids = self._doing.setdefault(lent.driver, (lent.weakly(), deque(maxlen=TOGETHER)))
                ids.append(settlement.delivery.id)
        return done

    async def completed(self, worker: str, deliveries: Sequence[Delivery]) -> list[Completed]:
        """See `Transacts.completed`."""
        leases = [[one.receipt for one in deliveries], [one.fence for one in deliveries]]
        rows = await self._db.read("completed", *leases, [one.id for one in deliveries], worker)
        return [Completed(row[0]) for row in rows]

    async def undo(self, delivery: Delivery) -> bool:
        """See `Transacts.undo`."""
        find = next((find for find, ids in list(self._doing.values()) if delivery.id in ids), None)
        lent = None if find is None else find()
        if lent is None:
            return False

        def undo() -> bool:
            gone = lent.rows(self._db.sql["undoing"], (delivery.receipt, delivery.fence, delivery.id))
            if not gone:  # it was committed or undone meanwhile, and this is another one
                return False
            lent.rows("rollback")
            return True

        try:
            return await (lent.within(undo) if lent.asynchronous else self._apart.ask(undo))
        except Exception as error:
            raise self._told(error) from error

    def _ring(self, tx: Tx) -> str:
        """Have those who wait told at the commit; the isolation of this transaction."""
        ((isolation, _),) = tx.rows("ring", self._db.address.channel, payloads(tx.topics))
        return str(isolation)

    def _check_past(self, tx: Tx, messages: Sequence[Message], isolation: str) -> None:
        """A transaction that does not see what came after its beginning must not take in what ended meanwhile."""
        if any(message.unique is not None for message in messages):
            raise ConfigError(
                f"in_transaction=: unique= cannot be kept in a transaction that is {isolation}, for it does not see "
                "what others have enqueued since it began: use read committed, or leave unique out"
            )
        tx.rows("probe", [message.id for message in messages])  # raises if one of them is there, and cannot be seen
        tx.rows("probe_end", [message.id for message in messages])

    # --- on their connection ---

    async def _within(self, connection: Any, act: Callable[[Tx], T], queues: tuple[QueueSpec, ...] = ()) -> T:
        """Carry out `act` in the transaction that is open there: whole, or the transaction is as it was."""
        lent = await theirs.borrow(connection)
        try:
            return await lent.within(lambda: self._carry_out(lent, act, queues))
        except Exception as error:
            raise self._told(error) from error

    def _carry_out(self, lent: Borrowed, act: Callable[[Tx], T], queues: tuple[QueueSpec, ...]) -> T:
        self._check_place(lent)
        if queues and queues != self._declared:
            self._aside(lambda wire: self._declare(wire, queues))
            self._declared = queues
        lent.rows("savepoint forebay")
        try:
            tx = Tx(lent, self._db.sql, self._db.now(), again=False, alone=False)
            answer = act(tx)
            tx.finish()
        except BaseException:
            with contextlib.suppress(Exception):
                lent.rows("rollback to savepoint forebay")
                lent.rows("release savepoint forebay")
            raise
        lent.rows("release savepoint forebay")
        return answer

    def _check_place(self, lent: Borrowed) -> None:
        """Whether it leads to where our messages are; asked once of each connection.

        Raises:
            ConfigError: it leads elsewhere.
            EngineUnreachable, SchemaTooOld, SchemaTooNew: nothing is prepared there.
        """
        if lent.driver in self._ours:
            return
        theirs_, nulls = self._place_of(lent)
        if nulls == "off":
            raise ConfigError("in_transaction=: array_nulls is off on this connection: turn it on")
        if theirs_ != self._place:
            self._place = self._look()  # a server that was started anew has another one
            theirs_, _ = self._place_of(lent)  # and the first look of all has made the schema just now
        if theirs_ != self._place:
            raise ConfigError(f"in_transaction=: this connection leads to {self._where(theirs_)}")
        with contextlib.suppress(TypeError):  # some cannot be remembered, and are asked each time
            self._ours.add(lent.driver)

    def _place_of(self, lent: Borrowed) -> tuple[str, str]:
        ((place, nulls),) = lent.rows(self._db.sql["place"], (self._schema,))
        return str(place), str(nulls)

    @property
    def _schema(self) -> str:
        return f'"{self._db.address.schema}"'

    def _look(self) -> str:
        """Where our messages are, in words of the server."""

        def look(wire: Wire) -> str:
            schema.check(wire, self._db.address, migrate=self._db.settings.migrate)
            return str(wire.rows(self._db.sql["place"], (self._schema,))[0][0])

        return self._aside(look)

    def _declare(self, wire: Wire, queues: tuple[QueueSpec, ...]) -> None:
        """In a transaction of our own: in the caller's it would hold up whoever declares them, until that ends."""
        tx = Tx(wire, self._db.sql, self._db.now(), again=False, alone=False)
        declare(tx, queues, self._db.settings.result_ttl)
        tx.finish()

    def _aside(self, act: Callable[[Wire], R]) -> R:
        """On a connection of our own, for a moment."""
        link = Link(self._db.address, "check")
        try:
            return link.run(lambda wire, _: act(wire), OPENING)
        finally:
            link.close()

    def _where(self, place: str) -> str:
        server, database, name, _ = place.split("\n")
        ours = self._place.split("\n")
        there = f"the messages are in {self._db.address.shown}, schema {self._db.address.schema}: connect to that"
        if server != ours[0]:
            return f"another server (database {name}), and {there}"
        if database != ours[1]:
            return f"another database of that server ({name}), and {there}"
        return f"the right database, but sees another schema there: {there}"

    def _told(self, error: Exception) -> BaseException:
        """Our error for one of a driver's."""
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        known: BaseException = error
        if state and not isinstance(error, psycopg.Error):
            with contextlib.suppress(KeyError):
                known = psycopg.errors.lookup(str(state))(str(error))
        return errors.lent(known, self._db.address.shown)
