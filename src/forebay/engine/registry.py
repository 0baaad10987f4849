"""From a URL to an engine. The engine's own module, and its library, are imported only when its scheme is asked for.

An engine outside this house is found by its entry point in the group `forebay.engines`: scheme = build function. In a
scheme such as `recorded+sqlite` the first name counts; that engine is one around another.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast
from urllib.parse import urlsplit

from forebay.config import Settings
from forebay.engine.contract import Engine
from forebay.model.clock import Clock
from forebay.model.errors import ConfigError
from forebay.store.contract import Store


class Backend(Engine, Store, Protocol):
    """An engine that is its own store."""


Maker = Callable[[Settings, Clock], Backend]

#: scheme -> (module that has `build(settings, clock)`, extra that installs its library)
SCHEMES: dict[str, tuple[str, str]] = {
    "memory": ("forebay.engine.memory", ""),
    "sqlite": ("forebay.engine.sqlite", ""),
}


def build(settings: Settings, clock: Clock) -> Backend:
    """The engine for `settings.url`, not yet opened.

    Raises:
        ConfigError: the scheme is unknown, or its extra is not installed.
    """
    scheme = urlsplit(settings.url).scheme
    name = scheme.partition("+")[0]
    return _house(name)(settings, clock) if name in SCHEMES else _foreign(name)(settings, clock)


def _house(scheme: str) -> Maker:
    module, extra = SCHEMES[scheme]
    try:
        return cast("Maker", import_module(module).build)
    except ImportError as error:
        if not extra:
            raise
        raise ConfigError(f"{scheme}:// needs more: pip install 'forebay[{extra}]' ({error})") from error


def _foreign(scheme: str) -> Maker:
    from importlib.metadata import entry_points  # slow to import, and few need it

    for point in entry_points(group="forebay.engines", name=scheme):
        return cast("Maker", point.load())
    known = ", ".join(f"{name}://" for name in SCHEMES)
    raise ConfigError(f"no engine for URL scheme {scheme!r}: known are {known}")
