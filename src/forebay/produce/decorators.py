"""The types behind `@app.task`: so that a wrong argument to `enqueue` is an error before anything runs."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypedDict, TypeVar, overload

from forebay.flow.retry import Retry
from forebay.model.duration import Duration
from forebay.produce.context import Context
from forebay.produce.task import Task

P = ParamSpec("P")
T = TypeVar("T")


class TaskWays(TypedDict, total=False):
    """Options of `@app.task`.

    Keys:
        name: its name on the wire; the function's name unless given.
        queue: where its messages wait; "default" unless given.
        retry: what to do when it fails; 5 tries with backoff unless given. A number means that many tries.
        timeout: after which `TimeLimit` is raised in it; none unless given.
        grace: after that, until the process of one that cannot be stopped is killed; 5 s unless given.
        cpu: run in a process of its own (for work that holds the interpreter).
        at_most_once: settle before running: a crash loses it instead of running it twice.
        priority: of its messages; higher runs first.
        expires: its messages are not started later than this after acceptance.
        result_ttl: how long its end and result are remembered.
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
