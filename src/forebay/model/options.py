"""Unknown options of a call: one clear error that names those there are, instead of Python's about a class of ours."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from forebay.model.errors import ConfigError

P = ParamSpec("P")
T = TypeVar("T")


def known_options(where: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator for a function with options.

    Args:
        where: what it is called, for errors.

    Raises:
        ConfigError: when it is called with an option that it does not have.
    """

    def refusing(function: Callable[P, T]) -> Callable[P, T]:
        names = [name for name in inspect.signature(function).parameters if name != "self"]

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> T:
            if unknown := sorted(set(kwargs).difference(names)):
                raise ConfigError(f"{where}: unknown option {', '.join(unknown)}: known are {', '.join(names)}")
            return function(*args, **kwargs)

        return checked

    return refusing
