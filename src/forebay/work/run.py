"""One message on its way through a worker: what it needs to run, and why it was told to stop."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from forebay.model.delivery import Delivery
from forebay.produce.context import Context
from forebay.produce.task import Task

#: After this many lost workers a message's next run happens alone, in a process of its own.
ISOLATE_AFTER = 2


class Stop(StrEnum):
    """Why a running message was told to stop."""

    CANCEL = "cancelled by request"
    TIMEOUT = "ran into its timeout"
    HAND_BACK = "handed back by a worker that leaves"


class Run:
    """A delivery with its task, its arguments and the means to stop it.

    `stop` is why it was told to; `interrupt`, set by the pool that runs it, is how.
    """

    __slots__ = ("args", "context", "deadline", "delivery", "finished", "interrupt", "kwargs", "stop", "task")

    def __init__(
        self,
        delivery: Delivery,
        task: Task[..., Any, Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        context: Context,
    ) -> None:
        self.delivery, self.task, self.args, self.kwargs, self.context = delivery, task, args, kwargs, context
        self.deadline = context.ends
        self.stop: Stop | None = None
        self.interrupt: Callable[[], None] | None = None
        self.finished = False

    def halt(self, why: Stop) -> None:
        """Tell it to stop; the first reason stands."""
        if self.finished:
            return
        self.stop = self.stop or why
        if self.interrupt is not None:
            self.interrupt()
