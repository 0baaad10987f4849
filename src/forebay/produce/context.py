"""What a handler may reach while it runs: its message, its time left, progress, a logger."""

import contextvars
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from forebay.model.delivery import Delivery
from forebay.model.errors import ForebayError

if TYPE_CHECKING:
    from forebay.flow.snooze import Snooze
    from forebay.produce.handle import Handle
    from forebay.produce.task import Task

P = ParamSpec("P")
T = TypeVar("T")

#: Headers that tell where a message came from: the first of the family, the one that made this one, and its queue.
ROOT, PARENT, ORIGIN = "forebay-root", "forebay-parent", "forebay-origin"

_logger = logging.getLogger("forebay.task")
_current: contextvars.ContextVar["Context | None"] = contextvars.ContextVar("forebay_context", default=None)


class Context:
    """The running message, as seen from inside its task. Annotate a parameter with it, or ask `Context.current()`."""

    __slots__ = ("_report", "delivery", "ends")

    def __init__(
        self, delivery: Delivery, timeout: float | None = None, report: Callable[[Delivery, Any], None] | None = None
    ) -> None:
        self.delivery = delivery
        self.ends = None if timeout is None else time.monotonic() + timeout
        self._report = report

    @staticmethod
    def current() -> "Context":
        """The context of the task that runs here.

        Raises:
            ForebayError: no task runs here.
        """
        context = _current.get()
        if context is None:
            raise ForebayError("no task runs here: Context.current() works inside a task that a worker runs")
        return context

    @property
    def id(self) -> str:
        """The message's id."""
        return self.delivery.id

    @property
    def queue(self) -> str:
        """The queue it came from."""
        return self.delivery.queue

    @property
    def attempt(self) -> int:
        """1 for the first try."""
        return self.delivery.attempt

    @property
    def key(self) -> str | None:
        """The tenant or entity it belongs to."""
        return self.delivery.key

    @property
    def headers(self) -> Mapping[str, str]:
        """What travelled along."""
        return self.delivery.headers or {}

    @property
    def deadline(self) -> float | None:
        """Seconds left until `timeout=` strikes; None without one. Below 0 it has struck."""
        return None if self.ends is None else self.ends - time.monotonic()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry id, task and attempt."""
        extra = {"message_id": self.id, "task": self.delivery.task, "attempt": self.attempt}
        return logging.LoggerAdapter(_logger, extra)

    def progress(self, value: Any) -> None:
        """Publish how far this is: any value that a message may hold. Returns at once; the newest one wins."""
        if self._report is not None:
            self._report(self.delivery, value)

    def enqueue(self, task: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> "Handle[T]":
        """Enqueue from synchronous code; like `task.enqueue`, which inside a task carries the lineage by itself."""
        return task.enqueue(*args, **kwargs)

    async def aenqueue(self, task: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> "Handle[T]":
        """Enqueue from asynchronous code."""
        return await task.aenqueue(*args, **kwargs)


def enter(context: Context) -> contextvars.Token[Context | None]:
    """Make `context` the current one."""
    return _current.set(context)


def leave(token: contextvars.Token[Context | None]) -> None:
    """Undo `enter`."""
    _current.reset(token)


def lineage() -> dict[str, str] | None:
    """The headers that tell where a message made here comes from; None outside of tasks."""
    context = _current.get()
    if context is None:
        return None
    return {ROOT: context.headers.get(ROOT, context.id), PARENT: context.id, ORIGIN: context.queue}
