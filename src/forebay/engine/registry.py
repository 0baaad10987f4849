"""From a URL to an engine. The engine's own module, and its library, are imported only when its scheme is asked for.

An engine outside this house is found by its entry point in the group `forebay.engines`: scheme = build function. In a
scheme such as `recorded+sqlite` the first name counts; that engine is one around another.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import quote

import msgspec

from forebay.config import Settings, masked
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
_USUAL = "sqlite:///name.db, sqlite:////folder/name.db for an absolute path, or memory://"


def build(settings: Settings, clock: Clock) -> Backend:
    """The engine for `settings.url`, not yet opened.

    Raises:
        ConfigError: it is no URL, its scheme is unknown, or its extra is not installed.
    """
    scheme, colon, _ = settings.url.partition(":")
    if not colon or not re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise ConfigError(f"{masked(settings.url)!r} is no URL of an engine: write {_USUAL}")
    name, plus, rest = scheme.lower().partition("+")
    if name not in SCHEMES:
        return _foreign(name)(settings, clock)
    if plus:
        raise ConfigError(f"{scheme}:// is no engine, and +{rest} would be dropped: write {_USUAL}")
    return _house(name)(settings, clock)


def absolute(settings: Settings) -> Settings:
    """Settings that name the same place from any folder: a relative path begins where this process is now."""
    scheme, _, path = settings.url.partition(":///")
    if scheme.lower().rpartition("+")[2] != "sqlite" or path.startswith("/"):
        return settings
    return msgspec.structs.replace(settings, url=f"{scheme}:///{quote(str(Path.cwd()))}/{path}")


def place(settings: Settings) -> str:
    """Where the messages are, for people: the absolute path of a file, whatever the present folder is; no password."""
    if not settings.url.lower().startswith("sqlite:"):
        return masked(settings.url)
    from forebay.engine.sqlite.address import path_of

    path = path_of(settings.url)
    try:
        return str(path.absolute())
    except OSError:  # the present folder is gone
        return str(path)


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
