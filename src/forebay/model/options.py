"""Wrong options of a call: one clear error in the words of the caller, instead of those of a class of ours."""

import functools
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ParamSpec, TypeVar

from forebay.model.errors import ConfigError

#: How msgspec says that a value is of another type; and what it calls the types that Python calls otherwise.
_MISFIT = re.compile(r"Expected `([^`]+)`, got `[^`]+` - at .*\$\.(\w+).*")
_TYPES = {"object": "dict", "array": "list", "float": "number", "bool": "True or False"}

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
            check_known(where, kwargs, names)
            return function(*args, **kwargs)

        return checked

    return refusing


def check_known(
    where: str, given: Iterable[str], known: Iterable[str], others: Mapping[str, Collection[str]] | None = None
) -> None:
    """That every option that was given is known.

    Args:
        where: whose options these are, for errors.
        others: options that belong elsewhere, by where that is: "@app.task".

    Raises:
        ConfigError: one is not, with those that there are, and where else there is one of its name.
    """
    if unknown := sorted(set(given).difference(known)):
        hints = [
            f"; {name} is said in {at}" for at, names in (others or {}).items() for name in unknown if name in names
        ]
        text = f"{where}: unknown option {', '.join(unknown)}: known are {', '.join(known)}"
        raise ConfigError(text + "".join(hints))


def misfit(error: Exception, given: Mapping[str, object], meant: Mapping[str, str] | None = None) -> str:
    """What msgspec has against one of the options that were given, in other words: "key is a str, not 5".

    Args:
        meant: what an option is, where its type does not say enough.
    """
    found = _MISFIT.fullmatch(str(error))
    if found is None:
        return str(error)
    types, name = found[1].split(" | "), found[2]
    words = (meant or {}).get(name) or " or ".join(_TYPES.get(one, one) for one in types if one != "null")
    article = "" if (meant and name in meant) or words.startswith("True") else "an " if words[0] in "aeio" else "a "
    return f"{name} is {article}{words}, not {given.get(name)!r:.100}"
