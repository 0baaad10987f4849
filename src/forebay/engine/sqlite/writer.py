"""The one writer of a process: it gathers what waits into one transaction, so one fsync serves them all.

An operation is a function of a transaction. Operations that share a commit succeed together; if the group fails it is
rolled back and tried again by halves, so a bad one spoils nobody's day. What a crowd of callers asks for one by one may
be carried out for all of them at once. The writer is a thread of its own: a caller may be struck at any step (Ctrl-C, a
timeout), the writer never is. Only the main thread of a program that would just wait does its own transaction, while
nobody else is at it and with signal handlers put off (`engine/quiet.py`): two changes of thread are a quarter of an
enqueue. At the commit there is a line: what comes after it, from the mark to the bells, is told in the log if it
fails, and changes nobody's answer.
"""

import contextlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import apsw

from forebay.engine import own, quiet
from forebay.engine.sqlite import schema
from forebay.engine.sqlite.bells import Ringer
from forebay.engine.sqlite.lock import Held
from forebay.engine.sqlite.turn import Nameless, Turn
from forebay.engine.waiting import Completion, Notified
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, OutcomeUnknown

_logger = logging.getLogger("forebay.sqlite")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Operations that may share one commit, and messages in all of them: bounds how long the write lock is held.
GROUP, MESSAGES = 512, 5_000
#: Different troubles after a commit that are told; each once.
MOST_TOLD = 50


class Transaction:
    """What an operation sees: the connection, the time, and what it has to account for."""

    __slots__ = ("after", "counts", "db", "mono", "now", "topics")

    def __init__(self, db: apsw.Connection, clock: Clock) -> None:
        self.db = db
        self.now = clock.now()
        self.mono = clock.monotonic()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.topics: set[str] = set()
        self.after: list[Callable[[], object]] = []  # what may be remembered only once it is committed

    def rows(self, text: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """All rows of a statement."""
        return self.db.execute(text, bindings).fetchall()

    def value(self, text: str, bindings: Sequence[Any] = ()) -> Any:
        """The first column of a statement's first row; None without one."""
        return self.db.execute(text, bindings).get

    def count(self, queue_name: str, name: str, n: int = 1) -> None:
        """Add `n` to a tally of a queue when this commits."""
        self.counts[queue_name, name] += n

    def moved(self, queue_name: str, start: str, end: str, n: int = 1) -> None:
        """`n` messages went from one tally to another."""
        self.counts[queue_name, start] -= n
        self.counts[queue_name, end] += n


class Operation(NamedTuple):
    """What one caller asked for; `crowd` if its act answers a list of callers, one argument each."""

    act: Callable[..., Any]
    args: tuple[Any, ...]
    completion: Completion[Any]
    crowd: bool = False


class Writer:
    """Owns the writing connection."""

    def __init__(self, db: apsw.Connection, turn: Turn, ringer: Ringer, signal: Notified, clock: Clock) -> None:
        self._db, self._turn, self._ringer, self._signal, self._clock = db, turn, ringer, signal, clock
        self._queue: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._at_it = threading.Lock()
        self._closed = self._ended = False
        self._told: set[str] = set()
        self._thread = own.start("forebay-writer", self._run)

    def submit(
        self, operation: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Completion[R]:
        """Have `operation(transaction, *args)` committed; await the answer.

        Raises:
            EngineClosed: this engine is closed.
        """
        return self._submit(Operation(operation, args, Completion()))

    def submit_to_crowd(self, operation: Callable[[Transaction, Sequence[T]], Sequence[R]], item: T) -> Completion[R]:
        """Have `operation(transaction, items)` committed, `items` being what neighbours in the group bring; await ours.

        Raises:
            EngineClosed: this engine is closed.
        """
        return self._submit(Operation(operation, (item,), Completion(), crowd=True))

    def _submit(self, operation: Operation) -> Completion[Any]:
        if self._closed:
            raise _closed()
        if operation.completion.blocks and quiet.main() and self._in_person(operation):
            return operation.completion
        self._queue.put(operation)
        if self._ended:  # it was closed in between, and nobody looks into the queue any more
            self._refuse()
        return operation.completion

    def _in_person(self, operation: Operation) -> bool:
        """In the main thread: carry it out here and now, unless that would mean to wait; whether it was."""
        with quiet.Quiet():
            if not self._queue.empty() or not self._at_it.acquire(blocking=False):
                return False
            try:
                at_once = not self._closed and self._turn.at_once()
                if at_once:
                    self._commit([operation])
                return at_once
            finally:
                self._at_it.release()

    def close(self) -> None:
        """Commit what was submitted, then end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()
            with self._at_it:
                pass  # whoever was at it in person is done

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            with self._at_it:
                self._take(first)
        self._ended = True
        self._refuse()

    def _take(self, first: Operation) -> None:
        group = self._gather(first)
        try:
            self._commit(group)
        except BaseException as error:
            _logger.exception("%s: the writer failed in a way it should not, and goes on", self._turn.path)
            self._answer(error, [operation for operation in group if not operation.completion.answered])

    def _refuse(self) -> None:
        """Answer those who came behind the end."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (late := self._queue.get_nowait()) is not None:
                    self._answer(_closed(), [late])

    def _gather(self, first: Operation) -> list[Operation]:
        group, size = [first], _size(first)
        while len(group) < GROUP and size < MESSAGES and (operation := self._next()) is not None:
            group.append(operation)
            size += _size(operation)
        return group

    def _next(self) -> Operation | None:
        """What waits next; None if nothing does, or the end has come: that stays where it is."""
        try:
            operation = self._queue.get_nowait()
        except queue.Empty:
            return None
        if operation is None:
            self._queue.put(None)
        return operation

    def _commit(self, group: list[Operation]) -> None:
        """Commit a group, or its halves, down to whoever is at fault, and tell each what became of it."""
        done: Transaction | None = None
        try:
            with self._turn:
                done = self._attempt(group)
                Completion.deliver([operation.completion for operation in group])
                self._guarded("the mark beside it", self._turn.committed, done.counts, done.mono)
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked
            if done is None:
                self._failed(group, error)
                return
            self._report("the turn after a commit", error)
        self._tell(done)

    def _failed(self, group: list[Operation], error: BaseException) -> None:
        """Nothing of a group was committed."""
        if len(group) > 1 and not isinstance(error, apsw.BusyError | Held | Nameless):
            middle = len(group) // 2
            self._commit(group[:middle])
            self._commit(group[middle:])
            return
        self._answer(error, group)  # whom somebody's lock kept out, it keeps out alone as well

    def _answer(self, error: BaseException, group: Sequence[Operation]) -> None:
        for operation in group:
            operation.completion.set(None, schema.explain(error, self._version, str(self._turn.path)))
        Completion.deliver([operation.completion for operation in group])

    def _version(self) -> int:
        return int(self._db.execute("pragma user_version").get)

    def _attempt(self, group: list[Operation]) -> Transaction:
        """One transaction, committed; on any error everything in it is undone."""
        self._undo()  # what somebody may have left open
        self._db.execute("begin immediate")
        try:
            transaction = Transaction(self._db, self._clock)
            _carry_out(transaction, group)
            self._tally(transaction)
            self._turn.sign()
            self._confirm()
        except BaseException:
            self._undo()
            raise
        self._turn.check_log()  # before anybody is told
        return transaction

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("rollback")

    def _confirm(self) -> None:
        try:
            self._db.execute("commit")
        except apsw.IOError as error:  # undone here, but after a crash the log may hold it all the same
            raise OutcomeUnknown(
                f"the disk did not confirm a commit ({error}), so that what it held may or may not be there after a "
                "crash: publish again with the same id, which is taken once, and look at the system's log"
            ) from error

    def _tally(self, transaction: Transaction) -> None:
        rows = [(queue_name, name, n) for (queue_name, name), n in transaction.counts.items() if n]
        if rows:
            self._db.executemany(
                "insert into tally (queue, name, n) values (?, ?, ?) on conflict do update set n = n + excluded.n", rows
            )

    def _tell(self, transaction: Transaction) -> None:
        """What follows a commit. None of it can fail it."""
        for remember in transaction.after:
            self._guarded("what it knows of the file", remember)
        if transaction.topics:
            self._guarded("those who wait in this process", self._signal.notify, transaction.topics)
            self._guarded("those who wait in other processes", self._ringer.ring, transaction.topics)

    def _guarded(self, what: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the commit stands, whatever it is
            self._report(what, error)

    def _report(self, what: str, error: BaseException) -> None:
        """Say it once, not at every commit."""
        text = f"{self._turn.path}: committed, but {what} could not be told: {error}"
        if text not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(text)
            _logger.warning("%s", text)


def _closed() -> EngineClosed:
    return EngineClosed("this engine is closed: open the app again before using it")


def _size(operation: Operation) -> int:
    """Messages, or whatever else comes in numbers, that an operation is about."""
    return max([1, *(len(cast("Sequence[Any]", arg)) for arg in operation.args if isinstance(arg, list | tuple))])


def _carry_out(tx: Transaction, group: Sequence[Operation]) -> None:
    for crowd_act, run in groupby(group, _crowd_act):
        operations = list(run)
        answers: Sequence[Any]
        if crowd_act is None:
            answers = [operation.act(tx, *operation.args) for operation in operations]
        else:
            answers = crowd_act(tx, [operation.args[0] for operation in operations])
        for operation, answer in zip(operations, answers, strict=True):
            operation.completion.set(answer)


def _crowd_act(operation: Operation) -> Callable[[Transaction, Sequence[Any]], Sequence[Any]] | None:
    return operation.act if operation.crowd else None
