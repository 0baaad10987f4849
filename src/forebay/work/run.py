"""What runs here and can be told to stop: a job of the user's, and a run, the job of one message.

Each reason to stop interrupts a job once, and an interrupted job has its `grace` to clean up before another reason
interrupts it again: a clean-up may await.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar

from forebay.model.delivery import Delivery
from forebay.produce.context import Context, enter
from forebay.produce.task import Task

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


class Job(ABC):
    """A call of the user's code, with the means to stop it.

    Args:
        deadline: when its time is up, by the monotonic clock; None for never.
        grace: seconds that an interruption leaves it to clean up.

    Attributes:
        stop: the first reason that it was told to stop for.
        interrupt: how; set by whatever runs it.
        begun: it has begun, on the loop.
        finished: it has ended: nothing interrupts it any more.
        error: what it raised, once it has.
    """

    __slots__ = ("_peace", "_told", "begun", "deadline", "error", "finished", "grace", "interrupt", "stop")
    _guard: ClassVar = threading.Lock()  # a deadline strikes from a thread of its own

    def __init__(self, deadline: float | None = None, grace: float = 5.0) -> None:
        self.deadline, self.grace = deadline, grace
        self.stop: Stop | None = None
        self.interrupt: Callable[[Stop], None] | None = None
        self.begun = self.finished = False
        self.error: BaseException | None = None
        self._told: tuple[Stop, ...] = ()
        self._peace = 0.0

    @property
    @abstractmethod
    def is_async(self) -> bool:
        """Whether what `call` returns is awaited on the loop, from the beginning."""

    @abstractmethod
    def call(self, expose: Callable[..., Any]) -> Any:
        """Call the user's code, by way of `expose(function, *args, **kwargs)`, in the scope that it is called in."""

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


class Run(Job):
    """A delivery with its task and its arguments.

    Attributes:
        started: when it was taken here, by the monotonic clock.
        told: the app's hooks hear of its failure in the process where it ran.
    """

    __slots__ = ("args", "context", "delivery", "kwargs", "started", "task", "told")

    def __init__(
        self,
        delivery: Delivery,
        task: Task[..., Any, Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        context: Context,
    ) -> None:
        super().__init__(context.ends, task.running.grace)
        self.delivery, self.task, self.args, self.kwargs, self.context = delivery, task, args, kwargs, context
        self.started = time.monotonic()
        self.told = False

    @property
    def is_async(self) -> bool:
        """See `Job`."""
        return self.task.is_async

    def call(self, expose: Callable[..., Any]) -> Any:
        """See `Job`."""
        enter(self.context)
        return expose(self.task.function, *self.args, **self.kwargs)

    @property
    def apart(self) -> bool:
        """Whether it belongs in a process of its own."""
        return self.task.running.cpu or self.delivery.lost >= ISOLATE_AFTER
