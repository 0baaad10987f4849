"""The types behind `@app.task`: so that a wrong argument to `enqueue` is an error before anything runs."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypedDict, TypeVar, overload

from forebay.flow.retry import Retry
from forebay.model.duration import Duration
from forebay.produce.context import Context
from forebay.produce.pricing import Cost
from forebay.produce.provided import ProviderSpec
from forebay.produce.task import Task

P = ParamSpec("P")
T = TypeVar("T")

#: What `periodic` does with ticks that nobody fired in time, and with one whose predecessor has not ended.
Missed = Literal["skip", "once", "all"]
Overlap = Literal["allow", "skip", "queue"]


class TaskWays(TypedDict, total=False):
    """Options of `@app.task`.

    Keys:
        name: its name on the wire; the function's name unless given.
        queue: where its messages wait; "default" unless given.
        retry: what to do when it fails; 5 attempts with backoff unless given. A number means that many attempts.
        timeout: after which `TimeLimit` is raised in it; none unless given.
        grace: after that, until the process of one that cannot be stopped is killed; 5 s unless given.
        cpu: run in a process of its own (for work that holds the interpreter).
        at_most_once: settle before running: a crash loses it instead of running it twice.
        priority: of its messages; higher runs first.
        expires: its messages are not started later than this after acceptance; "parent": see `RawWays`.
        result_ttl: how long its end and result are remembered.
        provider: the outside service that it depends on, as `app.provider` declares it.
        provider_key: the parameter that names the account with which it is asked: if that is to wait, only what uses it
            waits.
        cost: what a call takes from the rate of its provider and of its queue: a number, or a function of the call's
            arguments; 1 unless given.
    """

    name: str
    queue: str
    retry: Retry | int
    timeout: Duration
    grace: Duration
    cpu: bool
    at_most_once: bool
    priority: int
    expires: Duration
    result_ttl: Duration
    provider: str | ProviderSpec
    provider_key: str
    cost: Cost


class TickWays(TypedDict, total=False):
    """Options of `@app.periodic` above a task: how the messages of this one schedule wait.

    Keys:
        name: of the schedule; the task's name unless given, then that with -2, -3, …
        queue, priority, expires: other ones than the task's.
        key: the tenant or entity it belongs to.
        unique: while a message with this key waits or runs, a tick makes none.
        headers: short strings that travel along.
    """

    name: str
    queue: str
    priority: int
    expires: Duration
    key: str
    unique: str
    headers: Mapping[str, str]


class PeriodicWays(TaskWays, total=False):
    """Options of `@app.periodic` above a function: those of a task, and of how the ticks' messages wait.

    Keys:
        key, unique, headers: see `TickWays`.
    """

    key: str
    unique: str
    headers: Mapping[str, str]


class Anything:
    """Nobody's type: a first parameter that would take this takes anything, so it does not stand for a `Context`."""


class Decorator(Protocol):
    """What `@app.task(...)` is.

    The first two overloads are for functions whose first parameter takes anything: those would pass for functions that
    want a `Context`. A type checker has nothing to check in their calls.
    """

    @overload
    def __call__(
        self, function: Callable[Concatenate[Anything, ...], Coroutine[Any, Any, T]], /
    ) -> Task[..., Coroutine[Any, Any, T], T]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Anything, ...], T], /) -> Task[..., T, T]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, T]], /
    ) -> Task[P, Coroutine[Any, Any, T], T]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], T], /) -> Task[P, T, T]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, Coroutine[Any, Any, T], T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> Task[P, T, T]: ...
    def __call__(self, function: Callable[..., Any], /) -> Task[..., Any, Any]:
        """Register `function`."""
        ...
