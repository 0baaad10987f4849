"""The one writer of a process: carries out groups of operations, each group in one transaction and so with one fsync.

What waits is gathered by `Turns`. At the commit there is a line: what comes after it, from the mark to the bells, is
told in the log if it fails, and changes nobody's answer.
"""

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVar, cast

import apsw

from forebay.engine.sqlite import schema
from forebay.engine.sqlite.bells import Ringer
from forebay.engine.sqlite.lock import Held
from forebay.engine.sqlite.mark import GROWING
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.turn import Nameless, Turn
from forebay.engine.turns import Group, Turns
from forebay.engine.waiting import Notified
from forebay.model.clock import Clock
from forebay.model.errors import EngineError, OutcomeUnknown

Act = TypeVar("Act", bound=Callable[..., Any])
#: Seconds within which a lazy commit is synced, with others or by itself.
SOON = 0.05
#: The largest number that SQLite gives a row, and the tally that remembers the largest of a message.
LAST = 2**63 - 1
NUMBERS = "", "seq"
#: Tallies that one statement adds to at the most.
TALLIES = 100
#: Seconds of waiting for the others after which leases are spared, and how long they hold then at the least.
STALL, REPRIEVE = 1.0, 3.0


class Transaction:
    """What an operation sees: the connection, the time, and what it has to account for.

    Attributes:
        last: the largest number of a message so far, if it is known.
        queues: what was read of a queue's row, by its name; whoever changes that row takes it out.
    """

    __slots__ = ("after", "come", "counts", "db", "last", "mono", "now", "numbered", "queues", "topics", "version")

    def __init__(
        self,
        db: apsw.Connection,
        clock: Clock,
        version: int = 0,
        last: int | None = None,
        queues: dict[str, Any] | None = None,
    ) -> None:
        self.db, self.version, self.last = db, version, last
        self.queues = {} if queues is None else queues
        self.now = clock.now()
        self.mono = clock.monotonic()
        self.counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.come: defaultdict[str, Counter[str]] = defaultdict(Counter)  # see `stirring.come`
        self.topics: set[str] = set()
        self.after: list[Callable[[], object]] = []  # what may be remembered only once it is committed
        self.numbered = 0  # by how much the largest number has grown

    def check_still(self) -> None:
        """Raises SchemaTooNew if a newer Forebay has migrated the file since it was opened."""
        schema.check_still(self.version, self.db.filename)

    def rows(self, text: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """All rows of a statement."""
        return self.db.execute(text, bindings).fetchall()

    def value(self, text: str, bindings: Sequence[Any] = ()) -> Any:
        """The first column of a statement's first row; None without one."""
        return self.db.execute(text, bindings).get

    def number(self, n: int = 1) -> int:
        """The first of `n` numbers for new messages, in order of acceptance; none of them is ever used again.

        Raises:
            EngineError: they are used up.
        """
        if self.last is None:
            known, found = cast("tuple[int, int]", self.rows(sql("last_number"))[0])
            self.last = max(known, found)
            self.numbered = self.last - known
        if n > LAST - self.last:
            raise EngineError(
                f"{self.db.filename}: the numbers of messages are used up: somebody wrote seq {self.last} into its "
                "tables, which Forebay never does: stop the workers, delete that row of `message` if there is one, "
                "and set n of the tally 'seq' to the largest seq that is left"
            )
        self.last += n
        self.numbered += n
        return self.last - n + 1

    def count(self, queue_name: str, name: str, n: int = 1) -> None:
        """Add `n` to a tally of a queue when this commits."""
        self.counts[queue_name, name] += n

    def moved(self, queue_name: str, start: str, end: str, n: int = 1) -> None:
        """`n` messages went from one tally to another."""
        self.counts[queue_name, start] -= n
        self.counts[queue_name, end] += n


def tally(transaction: Transaction) -> None:
    """Add up what a transaction has accounted for; the last thing before its commit."""
    found = [(queue_name, name, n) for (queue_name, name), n in transaction.counts.items() if n]
    if transaction.numbered:
        found.append((*NUMBERS, transaction.numbered))
    for first in range(0, len(found), TALLIES):
        some = found[first : first + TALLIES]
        transaction.db.execute(_adding(len(some)), tuple(chain.from_iterable(some)))


@cache
def _adding(n: int) -> str:
    """The statement that adds to `n` tallies at once: each statement costs a change of threads."""
    values = ", ".join(["(?, ?, ?)"] * n)
    return f"insert into tally (queue, name, n) values {values} on conflict do update set n = n + excluded.n"  # noqa: S608 - question marks


def outlasts(operation: Act) -> Act:
    """Marks an operation that is carried out also in a file which a newer Forebay has migrated: what runs may end."""
    vars(operation)["outlasts"] = True
    return operation


class Unsafe(OutcomeUnknown):
    """A commit that was not confirmed, and stands all the same: nothing of it is to be tried again."""


class Writer(Turns[Transaction]):
    """Owns the writing connection."""

    stubborn = apsw.BusyError, Held, Nameless, Unsafe  # whom somebody's lock keeps out, it keeps out alone as well

    def __init__(
        self, db: apsw.Connection, turn: Turn, ringer: Ringer, signal: Notified, clock: Clock, *, soon: float
    ) -> None:
        self._soon, self._doubtful = soon, False
        self._seen, self._found = -1, 0  # the file as it was when last looked at, and its version
        self._last: int | None = None  # the largest number in it, as long as nobody else writes
        self._queues: dict[str, Any] = {}  # what was read of its queues, as long as nobody else writes
        self._asked: tuple[float, float] | None = None  # since when it waits for the others; what the clock said then
        self._db, self._turn, self._ringer, self._signal, self._clock = db, turn, ringer, signal, clock
        super().__init__(str(turn.path))

    def at_once(self) -> bool:
        """See `Turns.at_once`: takes the lock between processes, if it is free."""
        return self._turn.at_once()

    def explain(self, error: BaseException) -> BaseException:
        """See `Turns.explain`."""
        return schema.explain(error, self._version, str(self._turn.path))

    def _version(self) -> int:
        return int(self._db.execute("pragma user_version").get)

    def attempt(self, group: Group[Transaction]) -> None:
        """See `Turns.attempt`."""
        began = time.monotonic()
        self._asked = self._asked or (began, self._clock.monotonic())
        with self._turn:
            if self._doubtful:
                self._work_off()
            lazy, before = group.lazy, self._db.total_changes()
            self._turn.sync(not lazy)
            transaction = self._transact(group)
            if time.monotonic() - began > STALL:  # the others waited, too, and our next one may come before theirs
                self._asked = began, transaction.mono
            try:
                self._make_last(transaction, lazy=lazy, changed=self._db.total_changes() != before)
                group.commit()
            finally:
                self._tell(transaction)  # at once: until others have woken up, the lock is free
            self.afterwards("the mark beside it", self._turn.committed, transaction.counts, transaction.mono)

    def _transact(self, group: Group[Transaction]) -> Transaction:
        """One transaction, committed; on any error everything in it is undone."""
        self._undo()  # what somebody may have left open
        self._db.execute("begin immediate")
        try:
            if self._db.data_version() != self._seen:  # others have written; asking costs a tenth of the version itself
                self._found, self._last, self._queues = self._version(), None, {}
            if self._found > schema.newest():
                self._check_still(group)
            transaction = Transaction(self._db, self._clock, self._found, self._last, self._queues)
            self._spare(transaction)
            group.carry_out(transaction)
            tally(transaction)
            self._turn.sign()
            self._confirm()
        except BaseException:
            self._last, self._queues = None, {}  # a commit that was not confirmed may stand
            self._undo()
            raise
        self._seen, self._last = self._db.data_version(), transaction.last
        self._turn.check_log()  # before anybody is told
        return transaction

    def _spare(self, transaction: Transaction) -> None:
        """Leases that ran out while somebody held the lock hold on: nobody could renew them, and their workers live.

        A process may be stopped in a transaction, or code that keeps the interpreter may keep our thread from its end.
        """
        asked, self._asked = self._asked, None
        if asked is not None and time.monotonic() - asked[0] > STALL:
            transaction.db.execute(sql("reprieve"), (transaction.mono + REPRIEVE, asked[1]))

    def _check_still(self, group: Group[Transaction]) -> None:
        """A newer Forebay has migrated the file: only what lets go of something is carried out still."""
        group.reached = True  # some of it may be, and some not
        if not all(getattr(operation.act, "outlasts", False) for operation in group.operations):
            schema.check_still(self._found, str(self._turn.path))

    def _make_last(self, transaction: Transaction, *, lazy: bool, changed: bool) -> None:
        """What was committed lazily is synced soon; at once, if it holds an end, or whatever else is told for good."""
        if not self._turn.full or not changed:
            return
        if not lazy:
            self.paid()
        elif any(name in GROWING for _, name in transaction.counts):
            try:
                self._touch()
            except (apsw.Error, EngineError) as error:
                raise Unsafe(f"{self._turn.path}: a loss of power may take this lease back: {error}") from error
            self.paid()
        else:
            self.owe(self._soon)

    def catch_up(self) -> None:
        """See `Turns.catch_up`."""
        with self._turn:
            self._touch()

    def _touch(self) -> None:
        """A commit that changes nothing, and is synced together with all that came before it."""
        self._turn.sync(True)
        self._db.execute("begin immediate")
        try:
            self._turn.touch()
            self._confirm()
        except BaseException:
            self._undo()
            raise
        self._turn.check_log()

    def _work_off(self) -> None:
        """After a sync that failed: the log goes into the file, and begins anew.

        What was written lazily before may be missing on the disk, though not here, and what comes to lie behind it
        would be lost with it.
        """
        with contextlib.suppress(apsw.BusyError):  # somebody reads: the next time
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            self._doubtful = False

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("rollback")

    def _confirm(self) -> None:
        try:
            self._db.execute("commit")
        except apsw.IOError as error:  # undone here, but after a crash the log may hold it all the same
            self._doubtful = True
            raise OutcomeUnknown(
                f"the disk did not confirm a commit ({error}), so that what it held may or may not be there after a "
                "crash: publish again with the same id, which is taken once, and look at the system's log"
            ) from error

    def _tell(self, transaction: Transaction) -> None:
        """What follows a commit. None of it can fail it."""
        for remember in transaction.after:
            self.afterwards("what it knows of the file", remember)
        if transaction.topics:
            self.afterwards("those who wait in this process", self._signal.notify, transaction.topics)
            self.afterwards("those who wait in other processes", self._ringer.ring, transaction.topics)
