"""What a function takes: its parameters with their annotations, which of them is the context, and what it returns.

A function that could never run as a task is refused here, where the task is made.
"""

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import UnionType
from typing import Any

from forebay.flow.snooze import Snooze
from forebay.model.errors import ConfigError
from forebay.produce.context import Context

#: What is no argument of the task in a call of `enqueue`, see `produce.ways.Sends`.
TAKEN = "in_transaction"
_KINDS = inspect.Parameter
_VARIABLE = (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)


class Signature:
    """A function's signature, read once.

    Attributes:
        parameters: all but the context.
        context: the name of the parameter that gets the context, if there is one.
        returns: the annotation of its result, `Any` without one; without `Snooze`, which is no result.

    Raises:
        ConfigError: it could never run as a task.
    """

    empty = inspect.Signature.empty

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        _check(name, function)
        try:
            self.whole = inspect.signature(function)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"task {name}: what it takes is not known ({error}): wrap it in a function") from error
        self._hints = _hints(name, function)
        contexts = [p for p in self.whole.parameters.values() if _is_context(self._said(p))]
        if len(contexts) > 1:
            raise ConfigError(
                f"task {name}: {contexts[0].name} and {contexts[1].name} are both a Context: one is enough"
            )
        if contexts and contexts[0].kind in _VARIABLE:
            raise ConfigError(f"task {name}: {contexts[0]} is any number of contexts: take one, as `ctx: Context`")
        self.context = contexts[0].name if contexts else None
        self.parameters = [p for p in self.whole.parameters.values() if p.name != self.context]
        self.returns = _result(self._hints.get("return", self.whole.return_annotation))
        _refuse_methods(name, self.parameters)
        _refuse_taken(name, self.parameters)

    def annotation(self, parameter: inspect.Parameter) -> Any:
        """What a parameter is annotated with, `Any` without; `None` is allowed where it is the default."""
        kind = self._said(parameter)
        return typing.Optional[kind] if parameter.default is None else kind  # noqa: UP045 - out of a variable

    def _said(self, parameter: inspect.Parameter) -> Any:
        kind = self._hints.get(parameter.name, parameter.annotation)
        return Any if kind is parameter.empty else kind


def called(function: Callable[..., Any]) -> Any:
    """The function behind a partial, or behind an object that can be called."""
    while isinstance(function, functools.partial):
        function = function.func
    is_object = not inspect.isroutine(function) and not isinstance(function, type)
    return type(function).__call__ if is_object else function


def _check(name: str, function: Any) -> None:
    behind = called(function)
    if inspect.isgeneratorfunction(behind) or inspect.isasyncgenfunction(behind):
        raise ConfigError(f"task {name}: it is a generator, whose body nobody would run: return a list")


def _refuse_methods(name: str, parameters: Sequence[inspect.Parameter]) -> None:
    first = parameters[0] if parameters else None
    if first is not None and first.name in {"self", "cls"} and first.annotation is first.empty:
        raise ConfigError(
            f"task {name}: it is a method, and `{first.name}` cannot be sent: use a function or staticmethod"
        )


def _refuse_taken(name: str, parameters: Sequence[inspect.Parameter]) -> None:
    if any(parameter.name == TAKEN for parameter in parameters):
        raise ConfigError(
            f"task {name}: a parameter called {TAKEN} could not be given: enqueue(..., {TAKEN}=connection) publishes "
            "within a transaction; call it otherwise"
        )


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    behind = called(function)
    if not getattr(behind, "__annotations__", None):
        return {}
    try:
        hints = typing.get_type_hints(behind, include_extras=True)
    except Exception as error:
        raise ConfigError(
            f"task {name}: its annotations cannot be resolved here: {error}; what they name has to be there when the "
            "task is made, so import it outside of `if TYPE_CHECKING`"
        ) from error
    return hints if getattr(function, "__signature__", None) is None else {}


def _is_context(annotation: Any) -> bool:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _is_context(arguments[0])
    if origin is typing.Union or origin is UnionType:
        return {*arguments} - {type(None)} == {Context}
    return annotation is Context


def _result(annotation: Any) -> Any:
    """What the handle's result is: without `Snooze`, which is a way to end, and out of the coroutine that brings it."""
    if annotation is Signature.empty:
        return Any
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {Coroutine, Awaitable} and arguments:
        return _result(arguments[-1])
    if origin is typing.Union or origin is UnionType:
        return typing.Union[tuple(part for part in arguments if part is not Snooze)]  # noqa: UP007 - out of a tuple
    return None if annotation is Snooze else annotation
