"""What runs here and can be told to stop: a job of the user's, and a run, the job of one message.

Each reason to stop interrupts a job once, and an interrupted job has its `grace` to clean up before another reason
interrupts it again: a clean-up may await.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from forebay.model.delivery import Delivery
from forebay.model.outcome import Ack
from forebay.model.verdict import Verdict
from forebay.produce.context import Context, enter
from forebay.produce.task import Task
from forebay.work.frames import clear
from forebay.work.storetime import Heard

#: After this many lost workers a message's next run happens alone, in a process of its own.
ISOLATE_AFTER = 2
#: Seconds that a message waits which its worker has no means to run now.
AGAIN = 1.0
#: Seconds between two interruptions of one job at the least.
_PEACE = 0.1


class Stop(StrEnum):
    """Why something that runs was told to stop."""

    CANCEL = "cancelled by request"
    TIMEOUT = "ran into its timeout"
    HAND_BACK = "handed back by a worker that leaves"
    ORPHANED = "its supervisor ended without a word"


class Job(msgspec.Struct, eq=False, kw_only=True):
    """A call of the user's code, with the means to stop it. There is one for every message, so it is a struct.

    Attributes:
        is_async: what `call` returns is awaited on the loop, from the beginning.
        deadline: when its time is up, by the monotonic clock; None for never.
        grace: seconds that an interruption leaves it to clean up.
        stop: the first reason that it was told to stop for.
        interrupt: how; set by whatever runs it.
        begun: it has begun, on the loop.
        finished: it has ended: nothing interrupts it any more.
        error: what it raised, once it has.
        started: when it was taken here, by the monotonic clock.
        share: how many messages its run time is shared by.
    """

    _guard: ClassVar = threading.Lock()  # a deadline strikes from a thread of its own
    is_async: bool = False
    deadline: float | None = None
    grace: float = 5.0
    stop: Stop | None = None
    interrupt: Callable[[Stop], None] | None = None
    begun: bool = False
    finished: bool = False
    error: BaseException | None = None
    started: float = msgspec.field(default_factory=time.monotonic)
    share: int = 1
    _told: tuple[Stop, ...] = ()
    _peace: float = 0.0

    def call(self, expose: Callable[..., Any] | None = None) -> Any:
        """Call the user's code, by way of `expose(function, *args, **kwargs)`, in the scope that it is called in."""

    def let_go(self) -> None:
        """Its end has been told: keep nothing of what it raised.

        That leads to its frames, and by way of them back to this object: a circle, which would keep all their variables
        alive until the garbage collector comes, and that counts no bytes.
        """
        error, self.error = self.error, None
        if error is not None:
            clear(error)

    def halt(self, why: Stop) -> None:
        """Tell it to stop. The first reason stands as the reason of its end; a reason that it knows changes nothing."""
        with self._guard:
            now = time.monotonic()
            if self.finished or why in self._told:
                return
            self._told += (why,)
            self.stop = self.stop or why
            if now < self._peace:
                return  # it cleans up already
            self._peace = now + max(self.grace, _PEACE)
            if why is not Stop.TIMEOUT and self.deadline is not None:
                self.deadline = max(self.deadline, self._peace)
            interrupt = self.interrupt
        if interrupt is not None:
            interrupt(why)


def _one() -> float:
    return 1.0


class Run(Job, eq=False):
    """A delivery with its task and its arguments.

    Attributes:
        settled: its end was written down before it began (see `at_most_once`), or in a transaction of its own.
        asked: it was to be done in one, and whether that was committed is being asked; or it has failed because
            of its provider, and others are being told.
        called: what it has come to is known as a call of its provider.
        told: the app's hooks hear of its failure in the process where it ran.
        verdict: what its failure says about its provider; None before, or without one.
        time: the store's, as it was known when it began.
        apart: it belongs in a process of its own.
        nothing: how it ends if it returns nothing; None where even that has to be looked at.
        elsewhere: another task or provider has its work, because its own is not to be asked for long. until: when that
            one may be asked again, if it has said so.
        used: what its task says that it has really cost; price: what it was taken to cost. paid: where its own provider
            was not asked, what that one's meters were charged.
    """

    delivery: Delivery
    task: Task[..., Any, Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    context: Context
    time: Heard
    apart: bool = False
    nothing: Ack | None = None
    settled: bool = False
    asked: bool = False
    called: bool = False
    told: bool = False
    elsewhere: bool = False
    verdict: Verdict | None = None
    used: float | None = None
    until: float | None = None
    price: Callable[[], float] = _one
    paid: Callable[[], float] | None = None

    def spend(self, cost: float) -> None:
        """So much more was really spent."""
        self.used = (self.used or 0.0) + cost

    def call(self, expose: Callable[..., Any] | None = None) -> Any:
        """See `Job`."""
        enter(self.context)
        if expose is None:
            return self.task.function(*self.args, **self.kwargs)
        return expose(self.task.function, *self.args, **self.kwargs)


def to_await(value: object) -> bool:
    """Whether what the user's code has returned is to be awaited; by its type, for itself it may answer anything."""
    return hasattr(type(value), "__await__")
