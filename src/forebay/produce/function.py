"""What may become a task or a consumer: a function with a name. All else is refused, with what to do instead."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

from forebay.model.errors import ConfigError
from forebay.model.queue import check_name


def plain(function: Any, kind: str) -> Callable[..., Any]:
    """The function itself, without `staticmethod` around it.

    Args:
        kind: "task" or "consumer", for errors.

    Raises:
        ConfigError: it is nothing that can be called without an object of its own.
    """
    if isinstance(function, staticmethod):
        function = cast("staticmethod[..., Any]", function).__func__
    if isinstance(function, classmethod):
        raise ConfigError(f"a class method cannot be a {kind}: use a function, or a staticmethod")
    if inspect.isclass(function) or not callable(function):
        raise ConfigError(f"{function!r} cannot be a {kind}: decorate a function")
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        raise ConfigError(f"{function!r} does not say what it takes: make a function of it to have a {kind}") from None
    if _wants_object(function):
        raise ConfigError(
            f"{function.__qualname__} is a method, and a message has no object to call it on: decorate a function, or "
            "a staticmethod, that makes or finds the object"
        )
    return cast("Callable[..., Any]", function)


def _wants_object(function: Any) -> bool:
    """Whether this is a method as it stands in the body of its class, not bound to anything."""
    if not inspect.isfunction(function):
        return False
    outer = function.__qualname__.rpartition("<locals>.")[2]
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return "." in outer and first is not None and first.name in {"self", "cls"}


def name_of(function: Callable[..., Any], kind: str, given: str | None = None) -> str:
    """The name that was given, else the function's own without its module: the same whether it is run or imported.

    Raises:
        ConfigError: it has none that could be found again, or one that is not allowed.
    """
    if given is not None:
        return check_name(kind, given)
    own = getattr(function, "__qualname__", None)
    if isinstance(function, functools.partial) or not isinstance(own, str) or own.endswith("<lambda>"):
        raise ConfigError(f"{function!r} has no name of its own: give the {kind} one with name=")
    return check_name(kind, own.rpartition("<locals>.")[2])


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call gives something to await."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 - it is looked at, not asked for
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
