"""Group commit for any engine: what waits goes into one attempt, so that one sync or one round trip serves all.

An operation is a function and its arguments. An engine says how a group of them is attempted: as a whole, or not at
all. Operations that share a group succeed together; a group that fails is tried again by halves, so a bad one spoils
nobody's day. What a crowd of callers asks for one by one may be carried out for all of them at once. The attempt says
where the line is (`Group.commit`): what fails after it is told in the log, and changes nobody's answer.

Attempts are made one at a time, by a thread: a caller may be struck at any step (Ctrl-C, a timeout), the thread never
is. Only the main thread of a program that would just wait makes its own attempt, while nobody else is at it and with
signal handlers put off (`engine/quiet.py`): two changes of thread are a quarter of an enqueue.
"""

import contextlib
import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import msgspec

from forebay.engine import own, quiet
from forebay.engine.native import simple_queue
from forebay.engine.waiting import Answer, Completion, blocking
from forebay.model.errors import EngineClosed

_logger = logging.getLogger("forebay.engine")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
#: What operations are called with.
X = TypeVar("X")

#: Operations that may share an attempt, and messages in all of them: bounds how long others wait for their turn.
GROUP, MESSAGES = 512, 5_000
#: Seconds until what is owed is tried again that could not be paid.
AGAIN = 1.0
_MANY = list, tuple
#: Different troubles after a commit that are told; each once.
MOST_TOLD = 50


class Operation(msgspec.Struct, frozen=True):
    """What one caller asked for; `crowd` if its act answers a list of callers, one argument each.

    What is `lazy` may be taken back by a loss of power that follows closely: see `Turns.submit_lazily`. What is `alone`
    shares its attempt with nothing, and says when it was asked for (monotonic).
    """

    act: Callable[..., Any]
    args: tuple[Any, ...]
    answer: Answer[Any]
    crowd: bool = False
    lazy: bool = False
    alone: float = 0.0


class Group(Generic[X]):
    """What one attempt is about. It has to call `carry_out`, make that durable, and then call `commit`.

    Attributes:
        reached: whether any operation of it was called. What fails before that, its parts would meet as well, and wait
            for as long each: a visitor that stays, a lock, a file that is gone.
    """

    __slots__ = ("committed", "operations", "reached")

    def __init__(self, operations: list[Operation]) -> None:
        self.operations, self.reached, self.committed = operations, False, False

    @property
    def lazy(self) -> bool:
        """Whether all that is in it is."""
        return self.operations[0].lazy and all(operation.lazy for operation in self.operations)

    def carry_out(self, with_: X) -> None:
        """Call each operation; what it answers is kept until `commit`."""
        self.reached = True
        if len(self.operations) == 1:  # as most who enqueue one by one
            (one,) = self.operations
            one.answer.set(one.act(with_, [one.args[0]])[0] if one.crowd else one.act(with_, *one.args))
            return
        for crowd_act, run in groupby(self.operations, _crowd_act):
            operations = list(run)
            answers: Sequence[Any]
            if crowd_act is None:
                answers = [operation.act(with_, *operation.args) for operation in operations]
            else:
                answers = crowd_act(with_, [operation.args[0] for operation in operations])
            for operation, answer in zip(operations, answers, strict=True):
                operation.answer.set(answer)

    def commit(self) -> None:
        """The line: it has happened, and whoever asked is told."""
        self.committed = True
        Answer.deliver([operation.answer for operation in self.operations])


class Turns(ABC, Generic[X]):
    """Gathers operations and has them attempted. An engine says how; `name` is what the log calls it."""

    #: Errors that the parts of a group would meet as well as the whole, though it was reached.
    stubborn: tuple[type[BaseException], ...] = ()

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: queue.SimpleQueue[Operation | None] = simple_queue()
        self._next_up: Operation | None = None  # what was taken from there, and shares nothing with those before it
        self._at_it = threading.Lock()
        self._closed = self._ended = False
        self._died: BaseException | None = None
        self._due: float | None = None  # when what was committed lazily is to be safe
        self._told: set[str] = set()
        self._thread = own.start("forebay-writer", self._run)

    @abstractmethod
    def attempt(self, group: Group[X]) -> None:
        """Carry a group out and commit it; after an error before its `commit` nothing of it may be left."""

    def at_once(self) -> bool:
        """Whether an attempt would wait for nobody else. Asked right before one, which may take what this took."""
        return True

    def explain(self, error: BaseException) -> BaseException:
        """The error that a caller gets for one that an attempt raised."""
        return error

    def submit(self, operation: Callable[Concatenate[X, P], R], *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Have `operation(x, *args)` committed; await the answer.

        Raises:
            EngineClosed: this engine is closed.
        """
        assert not kwargs
        return self._submit(operation, args)

    def submit_lazily(
        self, operation: Callable[Concatenate[X, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[R]:
        """The same for what a loss of power may take back for a moment, since it ends whoever could tell by it."""
        assert not kwargs
        return self._submit(operation, args, lazy=True)

    def submit_to_crowd(self, operation: Callable[[X, Sequence[T]], Sequence[R]], item: T) -> Awaitable[R]:
        """Have `operation(x, items)` committed, `items` being what neighbours in the group bring; await ours.

        Raises:
            EngineClosed: this engine is closed.
        """
        return self._submit(operation, (item,), crowd=True)

    def submit_alone(
        self, operation: Callable[Concatenate[X, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[R]:
        """As `submit`, for what holds up others until its attempt has ended: it is carried out by itself."""
        assert not kwargs
        return self._submit(operation, args, alone=time.monotonic())

    def tell(self, operation: Callable[..., object], *args: Any) -> None:
        """As `submit`, for one who does not wait, and need not hear what became of it.

        Raises:
            EngineClosed: this engine is closed.
        """
        if self._closed:
            raise _closed()
        self._queue.put(Operation(operation, args, Answer()))
        if self._ended:
            self._refuse()

    def _submit(
        self,
        act: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        crowd: bool = False,
        lazy: bool = False,
        alone: float = 0.0,
    ) -> Answer[Any]:
        if self._closed:
            raise _closed()
        blocks = blocking()
        if blocks and quiet.main():
            operation = Operation(act, args, Answer(), crowd)
            if self._in_person(operation):
                return operation.answer
        operation = Operation(act, args, Completion(blocks), crowd, lazy, alone)
        self._queue.put(operation)
        if self._ended:  # it was closed in between, and nobody looks into the queue any more
            self._refuse()
        return operation.answer

    def _in_person(self, operation: Operation) -> bool:
        """In the main thread: carry it out here and now, unless that would mean to wait; whether it was."""
        with quiet.Quiet():
            if self._next_up is not None or not self._queue.empty() or not self._at_it.acquire(blocking=False):
                return False
            try:
                at_once = not self._closed and self.at_once()
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

    def owe(self, seconds: float) -> None:
        """For an attempt: what it committed is to be made safe from a loss of power within `seconds`, by `catch_up`."""
        if self._due is None:
            self._due = time.monotonic() + seconds

    def paid(self) -> None:
        """For an attempt: all that was committed before is safe now."""
        self._due = None

    def catch_up(self) -> None:
        """Make safe what is owed."""

    def _run(self) -> None:
        try:
            while (first := self._first()) is not None:
                with self._at_it:
                    self._take(first)
            self._pay()
        except BaseException as error:
            self._died = error
            raise
        finally:
            self._ended = True
            self._refuse()

    def _first(self) -> Operation | None:
        """What is to be done next. What is owed is paid when it is due, if nothing else did that before."""
        if self._next_up is not None:
            first, self._next_up = self._next_up, None
            return first
        while (due := self._due) is not None:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=max(0.0, min(due - time.monotonic(), threading.TIMEOUT_MAX)))
            self._pay()
        return self._queue.get()

    def _pay(self) -> None:
        with self._at_it:
            if self._due is not None:
                self._due = None
                try:
                    self.catch_up()
                except BaseException as error:  # noqa: BLE001 - what was committed stands
                    self.report("whether it outlasts a loss of power", error)
                    self.owe(AGAIN)

    def _take(self, first: Operation) -> None:
        group = [first]
        try:
            self._gather(group)
            self._commit(group)
        except BaseException as error:
            _logger.exception("%s: the writer failed in a way it should not, and goes on", self._name)
            self._answer(error, [operation for operation in group if not operation.answer.answered])

    def _refuse(self) -> None:
        """Answer those who came behind the end, which nobody else will."""
        with contextlib.suppress(queue.Empty):
            if self._next_up is not None:
                self._queue.put(self._next_up)
            while True:
                if (late := self._queue.get_nowait()) is not None:
                    self._answer(_closed() if self._died is None else own.ended(self._name, self._died), [late])

    def _gather(self, group: list[Operation]) -> None:
        """Add what else waits to a group of one."""
        size = _size(group[0])
        while not group[0].alone and len(group) < GROUP and size < MESSAGES and (operation := self._next()) is not None:
            group.append(operation)
            size += _size(operation)

    def _next(self) -> Operation | None:
        """What waits next; None if nothing does that may share, or the end has come: that stays where it is."""
        try:
            operation = self._queue.get_nowait()
        except queue.Empty:
            return None
        if operation is None:
            self._queue.put(None)
        elif operation.alone:
            self._next_up, operation = operation, None
        return operation

    def _commit(self, operations: list[Operation]) -> None:
        """Commit a group, or its halves, down to whoever is at fault, and tell each what became of it."""
        group: Group[X] = Group(operations)
        try:
            self.attempt(group)
            if not group.committed:
                raise RuntimeError(f"{self._name}: an attempt ended without a word; this is a bug in the engine")
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked
            if group.committed:
                self.report("what follows", error)
            else:
                self._failed(group, error)

    def _failed(self, group: Group[X], error: BaseException) -> None:
        """Nothing of a group was committed."""
        operations = group.operations
        if len(operations) > 1 and group.reached and not isinstance(error, self.stubborn):
            middle = len(operations) // 2
            self._commit(operations[:middle])
            self._commit(operations[middle:])
            return
        self._answer(error, operations)

    def _answer(self, error: BaseException, operations: Sequence[Operation]) -> None:
        for operation in operations:
            operation.answer.set(None, self.explain(error))
        Answer.deliver([operation.answer for operation in operations])

    def afterwards(self, what: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do something after a commit, which stands whatever this raises."""
        try:
            function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - as it says
            self.report(what, error)

    def report(self, what: str, error: BaseException) -> None:
        """Say once, not at every commit, what could not be done after it."""
        text = f"{self._name}: committed, but {what} could not be told: {error}"
        if text not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(text)
            _logger.warning("%s", text)


def _closed() -> EngineClosed:
    return EngineClosed("this engine is closed: open the app again before using it")


def _size(operation: Operation) -> int:
    """Messages, or whatever else comes in numbers, that an operation is about."""
    most = 1
    for arg in operation.args:
        if type(arg) in _MANY:
            most = max(most, len(arg))
    return most


def _crowd_act(operation: Operation) -> Callable[[Any, Sequence[Any]], Sequence[Any]] | None:
    return operation.act if operation.crowd else None
