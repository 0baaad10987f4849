"""The one writer of a process: it gathers what waits into one transaction, so one fsync serves them all.

An operation is a function of a transaction. Operations that share a commit succeed together; if the group fails it is
rolled back and tried again by halves, so a bad one spoils nobody's day. What a crowd of callers asks for one by one may
be carried out for all of them at once. The writer is a thread, for what comes from event loops; a thread that would
only wait for it takes its turn instead when it is idle, which saves two changes of thread.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import apsw

from forebay.engine.sqlite.bells import Ringer
from forebay.engine.sqlite.errors import translate
from forebay.engine.sqlite.lock import Held
from forebay.engine.sqlite.turn import Turn
from forebay.engine.waiting import Completion, Signal
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, EngineError, OutcomeUnknown

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Operations that may share one commit; bounds how long the write lock is held.
GROUP = 512


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

    def __init__(self, db: apsw.Connection, lock: Turn, ringer: Ringer, signal: Signal, clock: Clock) -> None:
        self._db, self._lock, self._ringer, self._signal, self._clock = db, lock, ringer, signal, clock
        self._queue: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._turn = threading.RLock()  # a signal handler may come back in the middle of its own turn
        self._busy = self._closed = False
        self.own_bell: str | None = None
        self._thread = threading.Thread(target=self._run, name="forebay-writer", daemon=True)
        self._thread.start()

    def submit(
        self, operation: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Completion[R]:
        """Have `operation(transaction, *args)` committed; await the answer.

        Raises:
            EngineError: this engine is closed, or a signal handler interrupted this very thread in a transaction.
        """
        return self._submit(Operation(operation, args, Completion()))

    def submit_to_crowd(self, operation: Callable[[Transaction, Sequence[T]], Sequence[R]], item: T) -> Completion[R]:
        """Have `operation(transaction, items)` committed, `items` being what neighbours in the group bring; await ours.

        Raises:
            EngineError: as `submit`.
        """
        return self._submit(Operation(operation, (item,), Completion(), crowd=True))

    def _submit(self, operation: Operation) -> Completion[Any]:
        if self._closed:
            raise EngineClosed("this engine is closed: open the app again before using it")
        if operation.completion.blocks and self._turn.acquire(blocking=False):
            try:
                self._take_turn(operation)
            finally:
                self._turn.release()
        else:
            self._queue.put(operation)
        return operation.completion

    def close(self) -> None:
        """Commit what was submitted, then end the thread and the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()
            self._db.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            with self._turn:
                self._take_turn(first)

    def _take_turn(self, first: Operation) -> None:
        if self._busy:
            raise EngineError(
                "a signal handler interrupted this thread in the middle of another call to the same engine: let the "
                "handler set a flag, or use loop.add_signal_handler, and make this call afterwards"
            )
        self._busy = True
        try:
            self._commit(self._gather(first))
        finally:
            self._busy = False

    def _gather(self, first: Operation) -> list[Operation]:
        group = [first]
        while len(group) < GROUP:
            try:
                operation = self._queue.get_nowait()
            except queue.Empty:
                break
            if operation is None:
                self._queue.put(None)  # the end is for the thread, which looks again
                break
            group.append(operation)
        return group

    def _commit(self, group: list[Operation]) -> None:
        """Commit a group, or its halves, down to whoever is at fault."""
        try:
            self._attempt(group)
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked
            if len(group) > 1 and not isinstance(error, apsw.BusyError | Held):
                middle = len(group) // 2
                self._commit(group[:middle])
                self._commit(group[middle:])
                return
            for operation in group:  # whom somebody's lock kept out, it keeps out alone as well
                operation.completion.set(None, translate(error))
        Completion.deliver([operation.completion for operation in group])

    def _attempt(self, group: list[Operation]) -> None:
        """One transaction; on any error everything in it is undone."""
        with self._lock:
            self._db.execute("begin immediate")
            try:
                transaction = Transaction(self._db, self._clock)
                _carry_out(transaction, group)
                self._tally(transaction)
                self._confirm()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise
            self._lock.committed(transaction.counts, transaction.mono)
        self._tell(transaction)

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
        for remember in transaction.after:
            remember()
        if transaction.topics:
            self._signal.notify(transaction.topics)
            self._ringer.ring(transaction.topics, self.own_bell)


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
