"""From a URL to an engine. The engine's own module, and its library, are imported only when its scheme is asked for.

An engine outside this house is named by its entry point in the group `forebay.engines`, which is a function like
`backend`, or by the module that has one: `shop.engine://…`. In a scheme such as `shop.recorded+sqlite` the first name
counts; that engine is one around another.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast
from urllib.parse import quote

import msgspec

from forebay.config import Settings, masked
from forebay.engine.backend import Backend, Whole, joined
from forebay.model.clock import Clock
from forebay.model.errors import ConfigError
from forebay.model.queue import check_name

Maker = Callable[[Settings, Clock], Backend]

#: scheme -> (module that has `backend(settings, clock)`, extra that installs its library)
SCHEMES: dict[str, tuple[str, str]] = {
    "memory": ("forebay.engine.memory", ""),
    "sqlite": ("forebay.engine.sqlite", ""),
    **dict.fromkeys(("postgresql", "postgres"), ("forebay.engine.postgres", "postgres")),
    **dict.fromkeys(("redis", "rediss", "unix", "valkey", "valkeys"), ("forebay.engine.redis", "redis")),
}
_USUAL = (
    "sqlite:///name.db, sqlite:////folder/name.db for an absolute path, postgresql://user@host/database, "
    "redis://host:6379/0, or memory://"
)


def backend(settings: Settings, clock: Clock) -> Backend:
    """The parts behind `settings.url`, not yet opened.

    Raises:
        ConfigError: it is no URL, its scheme is unknown, its extra is not installed, or it has no use for `store` or
            `namespace`.
    """
    made = _maker(settings)(settings, clock)
    _fits(settings, made)
    return made


def build(settings: Settings, clock: Clock) -> Whole:
    """All of `backend` as one object."""
    return joined(backend(settings, clock))


def scheme_of(settings: Settings) -> str:
    """The scheme of the engine's URL, by its usual name."""
    scheme = settings.url.partition(":")[0].lower()
    return "postgresql" if scheme == "postgres" else scheme


def _fits(settings: Settings, made: Backend) -> None:
    """Settings that this engine could not obey are refused."""
    has, scheme = made.engine.capabilities, scheme_of(settings)
    if settings.namespace:
        check_name("namespace", settings.namespace)
        if not has.namespaces:
            raise ConfigError(
                f"namespace={settings.namespace!r} has no effect on {scheme}://: give each app a URL of its own, and "
                "leave out namespace"
            )
    if settings.store and has.results:
        raise ConfigError(f"{scheme}:// is its own store: leave out store={masked(settings.store)!r}")
    if not has.results and not settings.store:
        raise ConfigError(f"{scheme}:// keeps no results and schedules: give it a store, store='sqlite:///name.db'")


def _maker(settings: Settings) -> Maker:
    scheme, colon, _ = settings.url.partition(":")
    if not colon or not re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme):
        empty = "" if settings.url else ", it is empty (is FOREBAY_URL set to nothing? unset it)"
        raise ConfigError(f"{masked(settings.url)!r} is no URL of an engine{empty}: write {_USUAL}")
    name, plus, rest = scheme.lower().partition("+")
    if name not in SCHEMES:
        return _foreign(settings.url.partition(":")[0].partition("+")[0])
    if plus and name in {"postgresql", "postgres"}:
        raise ConfigError(
            f"{scheme}:// names a library of SQLAlchemy's: write postgresql://user:password@host/database"
        )
    if plus:
        raise ConfigError(f"{scheme}:// is no engine, and +{rest} would be dropped: write {_USUAL}")
    return _house(name)


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
        return cast("Maker", import_module(module).backend)
    except ImportError as error:
        if not extra:
            raise
        raise ConfigError(f"{scheme}:// needs more: pip install 'forebay[{extra}]' ({error})") from error


def _foreign(scheme: str) -> Maker:
    from importlib.metadata import entry_points  # slow to import, and few need it

    for point in entry_points(group="forebay.engines", name=scheme.lower()):
        return cast("Maker", point.load())
    if "." in scheme:
        return _module(scheme)
    known = ", ".join(f"{name}://" for name in SCHEMES)
    raise ConfigError(f"no engine for URL scheme {scheme!r}: known are {known}")


def _module(name: str) -> Maker:
    try:
        return cast("Maker", import_module(name).backend)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"no engine for URL scheme {name!r}: no module of that name has one ({error})") from error
