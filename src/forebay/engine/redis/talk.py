"""How operations get to a server and back: what waits goes as one batch, and is tried again until it is answered.

Each call is one script, carried out whole or not at all. What may have been carried out is sent again with a mark, and
every script knows what to do then, so that nothing happens twice. At the deadline a call ends all the same: a publish
as unknown, anything else as unreachable.
"""

import threading
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any, Concatenate, ParamSpec, TypeVar

from redis.exceptions import ResponseError

from forebay.engine import quiet
from forebay.engine.outage import Outage
from forebay.engine.patience import ANSWER, Patience
from forebay.engine.redis.address import Address
from forebay.engine.redis.errors import PASSING, is_final, refused, unreachable, word
from forebay.engine.redis.link import Broken, Link, packing
from forebay.engine.redis.policy import Policy
from forebay.engine.redis.scripts import scripts
from forebay.engine.turns import Group, Operation, Turns
from forebay.model.clock import Clock, SystemClock
from forebay.model.errors import no_text

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: What an operation answers once its calls are answered.
Reading = Callable[[], R]


#: Seconds that the main thread itself waits for an answer.
PROMPT = 0.05


#: A key that is never there, and named to each script. A node of a cluster that has half of our keys, as their slot is
#: moving, answers ASK or TRYAGAIN to who names a key that is not there; without it a script would fail in its middle.
NEVER = "-"


class _Late(Exception):
    """The main thread did not get its answer at once."""


class Call:
    """One script with its arguments, and what came of it.

    Attributes:
        publishes: whether an answer that never comes leaves messages that may be there.
        sent: whether the server may have got it.
        since: the newest number of a message that was known before it was sent for the first time: what has an older
            one is not of this call.
        otherwise: script and arguments that do the same in another way, to be used if the answer is 0.
    """

    __slots__ = ("args", "otherwise", "publishes", "reply", "script", "sent", "since")

    def __init__(self, script: str, args: Sequence[Any], *, publishes: bool = False, sent: bool = False) -> None:
        self.script, self.args, self.publishes = script, args, publishes
        self.sent, self.since = sent, 1
        self.otherwise: Callable[[], tuple[str, Sequence[Any]]] | None = None
        self.reply: Any = None

    @property
    def answer(self) -> Any:
        """What the server answered; raises what became of it instead."""
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply


class Batch:
    """What operations are called with: they put their calls in, and read the answers when all are there.

    Attributes:
        news: how far the news had come before anything was sent.
    """

    __slots__ = ("calls", "news")

    def __init__(self, news: int = 0) -> None:
        self.calls: list[Call] = []
        self.news = news

    def call(self, script: str, *args: Any, publishes: bool = False, sent: bool = False) -> Call:
        """Put a call in; `sent` if an earlier one of the same may have been carried out."""
        call = Call(script, args, publishes=publishes, sent=sent)
        self.calls.append(call)
        return call


class Talk(Turns[Batch]):
    """One connection with a thread of its own.

    Args:
        news: how far the news has come, asked before each batch.
        outage: where it is told that the server is lost, or back.
    """

    def __init__(
        self, address: Address, clock: Clock, news: Callable[[], int] = int, outage: Outage | None = None
    ) -> None:
        self._address, self._clock, self._news = address, clock, news
        self._link, self._patience = Link(address), Patience()
        self._outage = Outage(address.place) if outage is None else outage
        self._leaving = threading.Event()
        self._doubtful: list[tuple[Any, int]] = []  # what the main thread asked for, and `Call.since` then
        self._since = 1
        self.policy = Policy(address.place)
        super().__init__(address.place)

    def at_once(self) -> bool:
        """See `Turns.at_once`."""
        return self._link.up

    def _in_person(self, operation: Operation) -> bool:
        """A publish by the main thread alone, and only while the server answers promptly: else the thread goes on.

        Publishing again what may have been published is harmless, so that nothing has to be handed over.
        """
        return operation.crowd and super()._in_person(operation) and not self._unfinished(operation)

    def _unfinished(self, operation: Operation) -> bool:
        late = isinstance(operation.answer.error, _Late)
        if late:
            self._doubtful.append((operation.args[0], self._since))
        return late

    def _mark_doubtful(self, operations: Sequence[Operation], calls: Sequence[Call]) -> None:
        """What the main thread sent before, and got no answer to, may be there."""
        if not self._doubtful:
            return
        asked = [arg for operation in operations for arg in operation.args]
        mine = [one for one in self._doubtful if any(one[0] is arg for arg in asked)]
        for call in calls if mine else ():
            call.sent = call.sent or call.publishes
            call.since = min(since for _, since in mine)
        self._doubtful = [one for one in self._doubtful if all(one is not other for other in mine)]

    def carry(
        self, operation: Callable[Concatenate[Batch, P], Reading[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[R]:
        """Have an operation carried out; await what it reads.

        Raises:
            EngineClosed: this engine is closed.
        """
        assert not kwargs
        return self._submit(operation, args)

    def carry_crowd(self, operation: Callable[[Batch, Sequence[T]], Sequence[Reading[R]]], item: T) -> Awaitable[R]:
        """Likewise one that is carried out at once for all who ask for it at the same time; `item` is ours."""
        return self._submit(operation, (item,), crowd=True)

    def ask(self, *command: Any) -> Any:
        """The answer to a plain command, None if there is none. For this thread alone, inside an operation."""
        try:
            (answer,) = self._link.exchange([command])
        except Broken:
            return None
        return None if isinstance(answer, ResponseError) else answer

    def close(self) -> None:
        """See `Turns.close`; what the server does not answer now is not waited for."""
        self._leaving.set()
        super().close()
        self._link.drop()

    def attempt(self, group: Group[Batch]) -> None:
        """See `Turns.attempt`. Each operation has its own answer, or error."""
        batch = Batch(self._news())
        group.reached = True
        readings = _taken_in(group.operations, batch)
        self._mark_doubtful(group.operations, batch.calls)
        if quiet.quiet() and quiet.main():
            self._carry_out_promptly(batch.calls)
        else:
            self._carry_out(batch.calls)
        for operation, reading in readings:
            try:
                operation.answer.set(reading())
            except BaseException as error:  # noqa: BLE001 - handed to whoever asked
                operation.answer.set(None, error)
        group.commit()

    def _carry_out_promptly(self, calls: Sequence[Call]) -> None:
        """Once, in the main thread, where Ctrl-C is put off meanwhile: not for longer than people notice."""
        left: Sequence[Call] = calls
        self._since = min([call.since for call in calls], default=1)
        for _ in range(2):  # the second time for what goes another way
            try:
                replies = self._link.exchange([self._command(call) for call in left], PROMPT)
            except Broken as broken:
                raise _Late from broken
            except UnicodeEncodeError:
                left, passing = self._sendable(left), None
            else:
                left, passing = self._sorted(left, replies)
            if not left:
                return
            if passing is not None or not self._link.up:
                break
        raise _Late  # the thread knows what to do

    def _carry_out(self, calls: Sequence[Call]) -> None:
        """Until each call has its reply."""
        deadline, left = self._patience.begin(), list(calls)
        while left:
            left, cause = self._once(left, min(ANSWER, self._patience.left(self._patience.over(deadline))))
            if cause is not None and not self._try_again(cause, deadline):
                for call in left:
                    call.reply = self._given_up(call, cause)
                return

    def _once(self, calls: list[Call], patience: float) -> tuple[list[Call], BaseException | None]:
        """Those that have no reply after one exchange, and what is in the way; None if they go on at once."""
        made = self._link.made
        try:
            replies = self._link.exchange([self._command(call) for call in calls], max(PROMPT, patience))
        except Broken as broken:
            if not is_final(broken.cause):
                self._outage.lost(broken.cause, made)
            for call in calls:
                call.sent = call.sent or broken.sent
            return calls, broken.cause
        except UnicodeEncodeError:
            return self._sendable(calls), None
        left, passing = self._sorted(calls, replies)
        if passing is None:
            self._patience.answered()
            if self._outage.on:
                self._outage.back(self._link.made)
        return left, passing

    def _command(self, call: Call) -> tuple[Any, ...]:
        now = "" if isinstance(self._clock, SystemClock) else repr(self._clock.now())
        digest, tag = scripts()[call.script].digest, self._address.tag
        return "EVALSHA", digest, 2, tag + "meta", tag + NEVER, now, call.since if call.sent else "", *call.args

    def _sendable(self, calls: Sequence[Call]) -> list[Call]:
        """Those that can go over the wire; what is no text is the answer to its own call, and no other waits for it."""
        able: list[Call] = []
        for call in calls:
            try:
                packing(self._command(call))
            except UnicodeEncodeError as error:
                call.reply = no_text(error)
            else:
                able.append(call)
        return able

    def _sorted(self, calls: Sequence[Call], replies: Sequence[Any]) -> tuple[list[Call], BaseException | None]:
        """Hand out the replies; those calls that have none for good, and why, if that is to be waited for."""
        again, forgotten, denied = list[Call](), False, False
        passing: BaseException | None = None
        for call, reply in zip(calls, replies, strict=True):
            kind = word(reply) if isinstance(reply, ResponseError) else ""
            if reply == 0 and call.otherwise is not None:
                call.script, call.args = call.otherwise()
                call.otherwise = None
                again.append(call)
            elif kind == "NOSCRIPT":
                forgotten = True
                again.append(call)
            elif isinstance(reply, ResponseError) and kind in PASSING:
                passing = reply
                again.append(call)
            else:
                call.reply = refused(self._address.place, reply) if isinstance(reply, ResponseError) else reply
                denied = denied or kind == "NOPERM"
        if denied or (forgotten and passing is None):
            self._link.drop()  # who connects anew has the server learn our scripts, if this user may run them
        return again, passing

    def _try_again(self, cause: BaseException, deadline: float) -> bool:
        """Wait a moment, unless there is no use in it, or no time; whether to go on."""
        if is_final(cause):
            return False
        if word(cause) == "MOVED":
            self._link.move(str(cause))
        elif word(cause) not in ("BUSY", "ASK", "TRYAGAIN"):
            self._link.drop()  # another node may answer there by now
        pause = self._patience.pause()
        if self._leaving.wait(pause):
            return False
        return self._patience.left(deadline) > 0

    def _given_up(self, call: Call, cause: BaseException) -> BaseException:
        if is_final(cause):
            return refused(self._address.place, cause)
        return unreachable(self._address.place, cause, unknown=call.publishes and call.sent)


def _taken_in(operations: Sequence[Operation], batch: Batch) -> list[tuple[Operation, Reading[Any]]]:
    """Call each operation; a crowd's at once for all of it."""
    readings: list[tuple[Operation, Reading[Any]]] = []
    for crowd, run in groupby(operations, lambda operation: operation.act if operation.crowd else None):
        several = list(run)
        if crowd is None:
            readings += [(operation, operation.act(batch, *operation.args)) for operation in several]
        else:
            answers: Sequence[Reading[Any]] = crowd(batch, [operation.args[0] for operation in several])
            readings += zip(several, answers, strict=True)
    return readings
