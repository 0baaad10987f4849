"""Hooks: functions that a worker calls at its start, at its end, and after each attempt that failed.

A `Hooks` is the decorator that takes them and the list of those that were taken, in order. It calls none of them.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from forebay.model.errors import ConfigError
from forebay.produce.origin import Origin, origin, same

if TYPE_CHECKING:
    from forebay.model.outcome import Outcome
    from forebay.produce.context import Context

#: A hook that is called with nothing.
Plain = TypeVar("Plain", bound=Callable[[], Any])
#: One that hears of a failure. It may annotate the exception as it likes: nobody can say what a task raises.
Hearer = TypeVar("Hearer", bound="Callable[[Context, Any, Outcome], Any]")


class Hooks:
    """Functions for one occasion, plain or asynchronous; see `PlainHooks` and `FailureHooks`.

    Args:
        occasion: its name, for errors.
        given: the names of the arguments that each one is called with.
    """

    def __init__(self, occasion: str, given: tuple[str, ...] = ()) -> None:
        self._occasion, self._given = occasion, given
        self._own: list[Origin | Hooks] = []

    def add(self, function: Callable[..., Any]) -> None:
        """Add a function; one that was imported or run again takes its old place.

        Raises:
            ConfigError: it cannot be called with what it will be given.
        """
        try:
            inspect.signature(function).bind(*self._given)
        except (TypeError, ValueError) as error:
            takes = f"({', '.join(self._given)})" if self._given else "no arguments"
            name = getattr(function, "__qualname__", repr(function))
            raise ConfigError(f"{self._occasion}: {name} has to be a function of {takes}: {error}") from None
        new = origin(function)._replace(function=function)
        for place, known in enumerate(self._own):
            if isinstance(known, Origin) and same(known, new):
                self._own[place] = new
                return
        self._own.append(new)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        for one in self._own:
            if isinstance(one, Hooks):
                yield from one
            else:
                yield one.function

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<{self._occasion}: {len(self)} functions>"

    def include(self, others: "Hooks") -> None:
        """Go on with those of another registry, also such as it takes later."""
        if others not in self._own:
            self._own.append(others)


class PlainHooks(Hooks):
    """Hooks that are called with nothing: `@app.on_start`, `@app.on_stop`."""

    def __call__(self, function: Plain, /) -> Plain:
        """Add a function. Raises as `add`."""
        self.add(function)
        return function


class FailureHooks(Hooks):
    """Hooks that are called with the context, the exception and what becomes of the message: `@app.on_failure`."""

    def __call__(self, function: Hearer, /) -> Hearer:
        """Add a function. Raises as `add`."""
        self.add(function)
        return function
