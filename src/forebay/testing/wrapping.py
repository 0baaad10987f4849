"""An engine around another one, chosen by URL: `shop.recorded+sqlite:///queue.db` is `shop.recorded` around `sqlite`.

The URL travels to every process of a fleet, so each of them wraps its engine alike and production code needs no switch.
A wrapper's options stand in the query and are gone from the URL that the inner engine sees.
"""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import msgspec

from forebay.config import Settings
from forebay.engine.backend import Backend, Whole, joined, of_one
from forebay.model.errors import ConfigError


class Wrapped:
    """Base of wrappers: what a subclass does not define is the inner engine's own."""

    def __init__(self, inner: Whole) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def around(inner: Backend, make: Callable[[Whole], Wrapped]) -> Backend:
    """The backend whose verbs go through what `make` makes of them; it is checked as the inner one."""
    return of_one(cast("Whole", make(joined(inner))), inner.checks, inner.transacts)


def wrap(url: str, wrapper: str, **options: str) -> str:
    """`url` with a wrapper around its engine."""
    return f"{wrapper}+{url}{'&' if '?' in url else '?'}{urlencode(options)}"


def option(url: str, name: str) -> str:
    """An option of one of the wrappers in `url`.

    Raises:
        ConfigError: it is not there.
    """
    value = dict(parse_qsl(url.partition("?")[2])).get(name)
    if value is None:
        raise ConfigError(f"{url!r} lacks an option of its wrapper: add ?{name}=...")
    return value


def peel(settings: Settings, name: str) -> Settings:
    """Settings for the inner engine: without the outermost wrapper and its option `name`."""
    base, _, query = settings.url.partition("?")
    rest = urlencode([pair for pair in parse_qsl(query) if pair[0] != name])
    url = base.partition("+")[2] + (f"?{rest}" if rest else "")
    return msgspec.structs.replace(settings, url=url)
