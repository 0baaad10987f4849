"""A handle: the message behind an enqueue, to ask for its state and result, or to stop it."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from forebay.engine.contract import Fate, Receipt
from forebay.engine.waiting import drive
from forebay.model.duration import Duration, seconds
from forebay.model.errors import BadSeal, ConfigError, NoSuchMessage, ResultTimeout, TaskFailed, encodable
from forebay.model.lifecycle import FINAL, State
from forebay.model.sealed import Part, locked
from forebay.produce.codec import decode_value
from forebay.produce.context import at_work
from forebay.produce.producer import Producer
from forebay.store.records import Found

if TYPE_CHECKING:
    from forebay.flow.snooze import Snooze
    from forebay.produce.task import Task

T = TypeVar("T")

#: Seconds between looks while waiting for a result, when no wake-up comes.
LOOK = 1.0
#: Seconds after which a task or consumer that waits for what nobody has started is worth a word, and what it keeps.
LONG = 2.0
_HOLDS = "a task that waits holds its slot. If all slots do, none is left to run it"
_GETS_NONE = "a consumer that waits is handed no other message of its queue"

_logger = logging.getLogger("forebay.task")
_DUPLICATE, _MERGED = Fate.DUPLICATE, Fate.MERGED  # members of an enum are slow to reach


class Handle(Generic[T]):
    """One message; handles of the same one are equal. Each verb has an asynchronous twin with an `a` before its name.

    Attributes:
        id: the message's id; keep it to make a handle again with `app.handle(id)`.
        duplicate: the enqueue was a duplicate, and this is the message that stands for it.
        merged: it was debounced, and this is the message that waited and now has its arguments.
        uncommitted: it was enqueued in a transaction, and has not been seen since: before the commit nobody knows it.
    """

    __slots__ = ("_producer", "_task", "duplicate", "id", "merged", "uncommitted")

    def __init__(
        self,
        producer: Producer,
        id_: str,
        task: "Task[Any, Any, T | Snooze] | None" = None,
        fate: Fate | None = None,
        uncommitted: bool = False,
    ) -> None:
        self._producer, self.id, self._task, self.uncommitted = producer, id_, task, uncommitted
        self.duplicate, self.merged = fate is _DUPLICATE, fate is _MERGED

    def __repr__(self) -> str:
        return f"<Handle {self.id}>"

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Handle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        """Pickled as its task and its id.

        Raises:
            ConfigError: its task is not known, or cannot be pickled.
        """
        if self._task is None:
            raise ConfigError("this handle cannot be pickled: keep handle.id, and make it again with app.handle(id)")
        return _made, (self._task, self.id, self.duplicate)

    async def afind(self) -> Found:
        """All that is known of it; sealed payloads opened, as far as this app has the keys.

        Raises:
            NoSuchMessage: it was never accepted, or ended and is past its retention.
        """
        return self._producer.revealed(await self._find())

    async def _ended_or_not(self) -> Found | None:
        """What is known of it; None where only ends can be found, and it has none yet."""
        return await self._find() if self._producer.browses else await self._producer.find(self.id)

    async def _find(self) -> Found:
        found = await self._producer.find(self.id)
        if found is None:
            raise NoSuchMessage(self._unknown())
        self.uncommitted = False
        return found

    def _unknown(self) -> str:
        if self.uncommitted:
            return f"no message {self.id} yet: the transaction that it was enqueued in is not committed, or was undone"
        aside = ", or in the outbox until its queue has room" if self._producer.spills else ""
        return f"no message {self.id}: never accepted here, or ended and past its result_ttl{aside}"

    async def astatus(self) -> State:
        """Where it is; see `afind` for the errors."""
        return (await self._find()).state

    async def aposition(self) -> int | None:
        """How many messages start before it: those that are ready in its line, by priority and age.

        Its line is its queue; where that bounds keys, or the task has a provider, those of its key, or provider. 0 if
        it is the next one, runs, or has ended; None while it is scheduled, and in no line yet. Up to 10,000 are
        counted, so that it can be asked in a web request. See `afind` for the errors.
        """
        found = await self._find()
        return await self._producer.stand().position(found)

    async def aeta(self) -> float | None:
        """When it is expected to start, seconds since the epoch by the engine's clock; when it did, if it has.

        An estimate, from recent run times, how fast the queue moved lately, rates, limits and gates. None if nobody
        knows: no worker serves its queue, a gate is closed without an end, or none of it has ever ended. See `afind`
        for the errors.
        """
        found = await self._find()
        return await self._producer.stand().eta(found)

    async def aprogress(self) -> Any:
        """The newest value of `Context.progress()`, or None.

        Raises:
            BadSeal: it is sealed, and cannot be opened here.
        """
        found = await self._find()
        return None if found.progress is None else decode_value(self._opened(Part.PROGRESS, found, found.progress))

    async def aresult(self, timeout: Duration | None = None) -> T:
        """Its result, waiting up to `timeout` (for ever if None).

        Raises:
            ResultTimeout: it has not ended by then; it goes on.
            TaskFailed: it ended as dead, cancelled, expired or discarded.
            NoSuchMessage: see `afind`.
            BadSeal: it is sealed, and cannot be opened here.
            ConfigError: `timeout` is no duration.
        """
        patience = None if timeout is None else seconds(timeout, "timeout")
        deadline = None if patience is None else time.monotonic() + patience
        mark, started, told = None, time.monotonic(), at_work() is None
        while (found := await self._ended_or_not()) is None or found.state not in FINAL:
            left = LOOK if deadline is None else min(LOOK, deadline - time.monotonic())
            if left <= 0:
                state = "not done" if found is None else found.state
                raise ResultTimeout(
                    f"message {self.id} is still {state} after {patience:g} s; the message is unaffected"
                )
            if not told and found is not None and found.state is State.READY and time.monotonic() - started >= LONG:
                told = _told_of_waiting(found)
            mark = await self._producer.watch(self.id, left, mark)
        return self._outcome(found)

    def _outcome(self, found: Found) -> T:
        if found.state is not State.DONE:
            raise TaskFailed(f"message {self.id} is {found.state}: {found.cause}", found.state, found.failure)
        if found.result is None:
            return None  # type: ignore[return-value]
        blob = self._opened(Part.RESULT, found, found.result)
        result: T = decode_value(blob) if self._task is None else self._task.codec.decode_result(blob)
        return result

    def _opened(self, part: Part, found: Found, blob: bytes) -> bytes:
        if (seal := self._producer.seal) is not None:
            return seal.open(part, found, blob)
        if sealed := locked(blob):
            raise BadSeal(sealed)
        return blob

    async def acancel(self) -> State:
        """Cancel it: waiting, it ends at once; running, it is asked to stop. The state after that."""
        if (state := await self._producer.cancel(self.id)) is None:
            raise NoSuchMessage(self._unknown())
        return state

    def find(self) -> Found:
        """See `afind`."""
        return drive(self.afind())

    def status(self) -> State:
        """See `astatus`."""
        return drive(self.astatus())

    def position(self) -> int | None:
        """See `aposition`."""
        return drive(self.aposition())

    def eta(self) -> float | None:
        """See `aeta`."""
        return drive(self.aeta())

    def progress(self) -> Any:
        """See `aprogress`."""
        return drive(self.aprogress())

    def result(self, timeout: Duration | None = None) -> T:
        """See `aresult`."""
        return drive(self.aresult(timeout))

    def cancel(self) -> State:
        """See `acancel`."""
        return drive(self.acancel())


def named(id_: str) -> str:
    """An id to look for.

    Raises:
        ConfigError: it is no text that could be one.
    """
    text = isinstance(id_, str) and encodable(id_) == id_ and "\0" not in id_  # pyright: ignore[reportUnnecessaryIsInstance]
    if not text or not id_:
        raise ConfigError(f"the id of a message is a text, such as handle.id, not {id_!r:.200}")
    return id_


def told(
    producer: Producer,
    receipts: Sequence[Receipt],
    task: "Task[Any, Any, T | Snooze] | None" = None,
    *,
    within: Any = None,
) -> list[Handle[T]]:
    """The handles of messages that were published, `within` a transaction if that is not None."""
    uncommitted = within is not None
    return [Handle(producer, receipt.id, task, receipt.fate, uncommitted) for receipt in receipts]


def _made(task: "Task[Any, Any, T | Snooze]", id_: str, duplicate: bool) -> Handle[T]:
    return Handle(task.producer, id_, task, Fate.DUPLICATE if duplicate else Fate.ACCEPTED)


def _told_of_waiting(found: Found) -> bool:
    """Warn: where every slot waits like this one, what they wait for never runs."""
    context = at_work()
    if context is not None:
        _logger.warning(
            "waits in result() for message %s, which has not started: %s: enqueue a follow-up task, or serve queue %s "
            "by workers of its own",
            found.id,
            _GETS_NONE if context.consumer else _HOLDS,
            found.queue,
            extra={
                "message_id": context.id,
                "task": context.delivery.task or context.consumer,
                "attempt": context.attempt,
            },
        )
    return True
