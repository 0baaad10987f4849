"""Fault points: named places in the life of a message where a test may fail, freeze or kill, once or some times.

Nothing waits in the product for them: arming puts a wire around the app's engine or tasks, disarming takes it away. A
worker sees the faults that were armed before it was made. (For fleets of processes and whole suites: `testing.faults`.)
"""

import functools
import inspect
import os
import signal
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self, get_args

import msgspec

from forebay.app import Forebay
from forebay.engine.contract import Leased, Receipt, Want
from forebay.engine.facade import Facade
from forebay.model.errors import ConfigError
from forebay.model.message import Message
from forebay.model.outcome import Settlement

Point = Literal[
    "before publish", "after publish", "before lease", "after lease", "before run", "after run", "before settle",
    "after settle",
]  # fmt: skip
Action = Callable[[], object]


class Crashed(BaseException):
    """The worker's process is gone, as far as a drain is concerned. A BaseException, so that no task swallows it."""


def crash() -> None:
    """Let the worker of a `drain` die here: what it holds is lost, and found again by the next one."""
    raise Crashed


def kill() -> None:
    """End this very process with SIGKILL; for real workers, in a process of their own."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(error: BaseException) -> Action:
    """Raise here."""

    def throw() -> None:
        raise error

    return throw


class Fault:
    """Something that happens at a point in the life of messages: `with Fault(app, "before settle", crash): ...`

    Args:
        point: where, see `Point`. "run" is the call of a task or consumer, the others are the verbs of the engine.
        action: `crash`, `kill`, `fail(…)`, or any function without arguments, such as one that lets a clock advance.
        times: how often, then no more.
        task: at the run points, of this task (or consumer) only.

    Attributes:
        struck: how often it has happened.

    Raises:
        ConfigError: there is no such point, or `task` makes no sense there.
    """

    def __init__(self, app: Forebay, point: Point, action: Action, *, times: int = 1, task: str | None = None) -> None:
        if point not in get_args(Point):
            raise ConfigError(f"no fault point {point!r}: there is {', '.join(get_args(Point))}")
        if task is not None and not point.endswith("run"):
            raise ConfigError(f"task= belongs to 'before run' and 'after run'; {point!r} meets all messages")
        self._app, self._point, self._action, self._left, self._task = app, point, action, times, task
        self._undo: list[Callable[[], object]] = []
        self.struck = 0

    def arm(self) -> Self:
        """Arm it for good: what the module of an app does in a worker process that is to die."""
        if self._point.endswith("run"):
            self._arm_runs()
        else:
            self._arm_engine()
        return self

    def disarm(self) -> None:
        """As if it had never been."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> Self:
        return self.arm()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disarm()

    def reached(self, point: str) -> None:
        """Strike, if this is the point and there are strikes left."""
        if point == self._point and self.struck < self._left:
            self.struck += 1
            self._action()

    def _arm_engine(self) -> None:
        app, before = self._app, self._app.engine
        app.engine = app.producer.engine = _Wire(before, self)

        def undo() -> None:
            app.engine = app.producer.engine = before

        self._undo.append(undo)

    def _arm_runs(self) -> None:
        registry = self._app.registry
        for task in registry.tasks.values():
            if self._task in (None, task.name):
                self._undo.append(functools.partial(setattr, task, "function", task.function))
                task.function = self._around(task.function)
        for queue, consumer in registry.consumers.items():
            if self._task in (None, consumer.name):
                self._undo.append(functools.partial(registry.consumers.__setitem__, queue, consumer))
                around = self._around(consumer.function)
                registry.consumers[queue] = msgspec.structs.replace(consumer, function=around)

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.reached("before run")
            value = function(*args, **kwargs)
            self.reached("after run")
            return value

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            self.reached("before run")
            value = await function(*args, **kwargs)
            self.reached("after run")
            return value

        return call_async if inspect.iscoroutinefunction(function) else call


class _Wire(Facade):
    """Around the verbs of an engine that have fault points."""

    def __init__(self, inner: Facade, armed: Fault) -> None:
        super().__init__(inner, list)
        self._armed = armed

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        self._armed.reached("before publish")
        receipts = await super().publish(messages)
        self._armed.reached("after publish")
        return receipts

    async def lease(self, want: Want) -> Leased:
        self._armed.reached("before lease")
        leased = await super().lease(want)
        self._armed.reached("after lease")
        return leased

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        self._armed.reached("before settle")
        verdicts = await super().settle(worker, settlements)
        self._armed.reached("after settle")
        return verdicts
