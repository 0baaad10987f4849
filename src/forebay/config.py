"""Settings: frozen options, validated once, each remembering where it came from.

Order, strongest first: `FOREBAY_*` in the environment, `[tool.forebay]` of the nearest pyproject.toml, the arguments
of `Forebay(...)`, our defaults. Nothing else in the package reads the environment.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, cast, get_args, get_origin

import msgspec

from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.keys import Keys, Ring, ring

_logger = logging.getLogger("forebay.config")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How an app talks to its engine.

    Attributes:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db`, `memory://`.
        store: the URL of what keeps results and schedules beside an engine that keeps none; refused by one that does.
        namespace: what parts several apps at one URL from each other; refused by an engine that has no such thing.
        durability: "full" survives power loss; "normal" may lose the last commits then (a killed process loses nothing
            either way).
        lease: seconds that a worker process holds its messages without a heartbeat.
        payload_limit: bytes that one body or result may have.
        result_ttl: seconds that the end of a message (and its result) is remembered, unless its task says otherwise.
        unknown_for: seconds that a message waits whose task, or one of whose arguments, no worker knows (a deploy is
            under way), until it is dead.
        poll: seconds between looks when no wake-up comes; the safety net under listening.
        pressure: workers hold back tasks that feed a queue which is full; see `app.queue(limit=, mark=)`.
        migrate: bring an older schema up to date when opening.
        max_size: bytes at which the engine refuses new messages while it still settles old ones; 0 for no limit.
        outbox: the file that takes what a queue with `on_full="spill"` has no room for; "" for one in the current
            folder that is named after the engine.
        outbox_size: bytes that it may have.
        compression: "zstd" compresses payloads; beside encryption it has to be "zstd-then-encrypt", for lengths tell.
        compress_from: bytes from which a payload is compressed.
        signing_keys: names of the keys that sign payloads; written `NAME:SECRET`, and the secrets are not kept here.
        encryption_keys: likewise, of those that encrypt them.
        accept_unsealed: with keys, take payloads that are not sealed too: for the time of the change to sealed ones.
    """

    url: str = "sqlite:///forebay.db"
    store: str | None = None
    namespace: str = ""
    durability: Literal["full", "normal"] = "full"
    lease: Annotated[float, msgspec.Meta(ge=0.1, le=1e9)] = 15.0
    payload_limit: Annotated[int, msgspec.Meta(gt=0, le=2**29)] = 1024 * 1024
    result_ttl: float = 3600.0
    unknown_for: Annotated[float, msgspec.Meta(ge=0)] = 3600.0
    poll: Annotated[float, msgspec.Meta(ge=0.001, le=1e6)] = 1.0
    pressure: bool = True
    migrate: bool = True
    max_size: Annotated[int, msgspec.Meta(ge=0, le=2**46)] = 0
    outbox: str = ""
    outbox_size: Annotated[int, msgspec.Meta(ge=100_000, le=2**46)] = 2**30
    compression: Literal["", "zstd", "zstd-then-encrypt"] = ""
    compress_from: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 1024
    signing_keys: tuple[str, ...] = ()
    encryption_keys: tuple[str, ...] = ()
    accept_unsealed: bool = False


class Given(TypedDict, total=False):
    """The settings that a program may pass to `Forebay(url, ...)`; see `Settings`, which says what each is."""

    store: str | None
    namespace: str
    durability: Literal["full", "normal"]
    lease: Duration
    payload_limit: int
    result_ttl: Duration
    unknown_for: Duration
    poll: Duration
    pressure: bool
    migrate: bool
    max_size: int
    outbox: str
    outbox_size: int
    compression: Literal["", "zstd", "zstd-then-encrypt"]
    compress_from: int
    signing_keys: str | Sequence[str]
    encryption_keys: str | Sequence[str]
    accept_unsealed: bool


class Origin(msgspec.Struct, frozen=True):
    """One setting with the place it came from."""

    name: str
    value: Any
    origin: str


_DURATIONS = frozenset({"lease", "result_ttl", "poll", "unknown_for"})
#: Settings that carry secrets: they are never quoted, and `Settings` has their names only.
_KEYS = ("signing_keys", "encryption_keys")


def load(given: Mapping[str, Any], start: Path | None = None) -> tuple[Settings, list[Origin], Keys]:
    """The settings in force, the origin of each, and the keys with their secrets.

    Args:
        given: what the program passed to `Forebay(...)`.
        start: the folder from which pyproject.toml is looked for, upwards; the current one if None.

    Raises:
        ConfigError: an unknown name or a value of the wrong type, with its origin.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.__struct_fields__, "default")
    for origin, layer in (("Forebay(...)", given), _pyproject(start), _environment()):
        for name, value in layer.items():
            values[name] = _checked(name, value, origin)
            origins[name] = origin
    rings: list[Ring] = [values.get(name, Ring()) for name in _KEYS]
    values |= {name: keys.names for name, keys in zip(_KEYS, rings, strict=True)}
    settings = Settings(**values)
    return settings, [Origin(name, getattr(settings, name), origins[name]) for name in origins], Keys(*rings)


def _checked(name: str, value: Any, origin: str) -> Any:
    field = Settings.__annotations__.get(name)
    if field is None:
        known = ", ".join(Settings.__struct_fields__)
        raise ConfigError(f"{origin}: unknown setting {name!r}; known are {known}")
    if name in _KEYS:
        return _ring(name, value, origin)
    try:
        if name in _DURATIONS:
            return msgspec.convert(seconds(value, name), field)
        return msgspec.convert(value, field, strict=False)
    except (ConfigError, msgspec.ValidationError, UnicodeError) as error:
        why = str(error) if isinstance(error, UnicodeError) else f"it is {_form(name, field)}"
        raise ConfigError(f"{origin}: {name} = {value!r:.200} is not usable: {why}") from None


def _form(name: str, field: Any) -> str:
    """What a setting has to be, in words."""
    if get_origin(field) is Literal:
        return " or ".join(repr(one) for one in get_args(field))
    if field is bool:
        return "true or false"
    meta = next((one for one in get_args(field) if isinstance(one, msgspec.Meta)), msgspec.Meta())
    least, most = meta.ge or (0 if meta.gt is None else meta.gt + 1), meta.le
    if name in _DURATIONS:
        return f"a duration such as '30s', from {least:g} s" + (f" to {most:,.0f} s" if most else "")
    return f"a whole number from {least:,} to {most:,}" if most else "a text"


def _ring(name: str, value: Any, origin: str) -> Ring:
    try:
        return ring(value)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {name}: {error}") from None


def _pyproject(start: Path | None) -> tuple[str, Mapping[str, Any]]:
    start = start or _here()
    for folder in (start, *start.parents) if start else ():
        path = folder / "pyproject.toml"
        if _is_there(path):
            return f"{path} [tool.forebay]", _table(path)
    return "pyproject.toml", {}


def _here() -> Path | None:
    """The current folder; None if it is gone, or cannot be named any more."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _is_there(path: Path) -> bool:
    """Whether there is such a file; what cannot be looked at is not there."""
    try:
        return path.is_file()
    except OSError:
        return False


def _table(path: Path) -> Mapping[str, Any]:
    try:
        document = _parsed(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # no UTF-8, no TOML
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    tools = document.get("tool", {})
    table = cast("Mapping[str, Any]", tools).get("forebay", {}) if isinstance(tools, Mapping) else None
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.forebay] must be a table")
    return table  # pyright: ignore[reportUnknownVariableType]


@lru_cache(maxsize=1)
def _parsed(text: str) -> dict[str, Any]:
    """The file is read for each app, and parsed when it is another: to parse takes longer than all else of an app."""
    import tomllib  # most processes run where no such file is

    return tomllib.loads(text)


_PREFIX = "FOREBAY_"
#: Names that say something to the command line, or to tests and benchmarks of Forebay itself.
_OTHERS = ("APP", "DEBUG", "COMPLETE", "DATE_OFF", "PROPERTIES")
#: What an orchestrator puts there for a service of ours, and what tests and benchmarks have for themselves.
_STRANGERS = re.compile("(SERVICE_|PORT|BENCH_|TEST_|_)")


def _environment() -> tuple[str, Mapping[str, Any]]:
    names = {name.upper(): name for name in Settings.__struct_fields__}
    given = {name.removeprefix(_PREFIX): os.environ[name] for name in os.environ if name.startswith(_PREFIX)}
    for name in given.keys() - names.keys():
        if name not in _OTHERS and not _STRANGERS.match(name):
            _unknown(name, [*names, *_OTHERS])
    return "environment FOREBAY_*", {names[name]: text for name, text in given.items() if name in names}


def _unknown(name: str, known: Sequence[str]) -> None:
    """A slip of the pen is refused, for it has no effect; what resembles nothing may be somebody else's."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if near:
        raise ConfigError(f"environment: unknown setting {_PREFIX}{name}: did you mean {_PREFIX}{near[0]}?")
    _logger.warning("environment: %s%s is no setting, and has no effect", _PREFIX, name)


LogLevel = Literal["debug", "info", "warning", "error", "critical"]


def masked(url: str) -> str:
    """A URL that may be printed, also if it is none: without what stands before the last @, and without passwords.

    A password may have signs in it that end it early for whoever reads the URL; what ends it for people is the last @.
    Paths of files (`sqlite:///a@b.db`) have neither.
    """
    return re.sub("(password=)[^&]*", r"\1…", re.sub("(:/{1,2})(?!/).*@", r"\1…@", url, flags=re.DOTALL))


#: What to say of a URL that ends early.
SPECIAL = (
    "what is special in a user's name or password has to be written as %XX: / as %2F, @ as %40, # as %23, ? as %3F"
)


def ends_early(url: str, signs: str) -> bool:
    """Whether its user's name or password has one of the signs that end it, or an @, and has to be written as %XX."""
    rest = url.partition("://")[2]
    place = re.split(f"[{signs}]", rest, maxsplit=1)[0]
    return place.count("@") > 1 or (place != "" and "@" in rest[len(place) :])


#: What the numbers of a worker may be, from and to.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "concurrency": (1, 100_000),
    "processes": (1, 1_000),
    "cpu": (0, 1_000),
    "drain": (0, 10 * 366 * 86_400),
    "max_tasks": (0, 2**53),
    "max_memory": (0, 2**53),
}


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker runs.

    Attributes:
        app: where the app is, `module:attribute`.
        queues: which queues to serve; all that the app has declared if empty.
        concurrency: messages that one process runs at the same time.
        adaptive: each process runs fewer while its tasks time out or take much longer than usual, and as many as that
            again once they do not.
        processes: worker processes under one parent.
        cpu: processes for `cpu=True` tasks, per worker process.
        drain: seconds that running tasks get to end after the first TERM.
        max_tasks: messages after which a process is replaced; 0 for never.
        max_memory: bytes of resident memory above which a process is replaced; 0 for never.
        schedules: fire cron schedules from here too.
        burst: end once nothing is ready or running on the queues served; `forebay worker` only.
        log_level: the least severe level that is logged: "debug", "info", "warning", "error", "critical".
        log_format: "text" for people, "json" for programs, an object a line.
        verbose: log each task with its duration.
        loop: the event loop of worker processes: "uvloop", "asyncio" (Python's own), or "auto", uvloop where it runs.
        starts: whether this process is of the start of a worker; not if it takes the place of another one. What its
            app declares of queues, providers and schedules holds then, see `forebay.model.queue.QueueSpec.mild`.
    """

    app: str = ""
    queues: tuple[str, ...] = ()
    concurrency: int = 100
    adaptive: bool = False
    processes: int = 1
    cpu: int = 0
    drain: float = 30.0
    max_tasks: int = 0
    max_memory: int = 0
    schedules: bool = True
    burst: bool = False
    log_level: LogLevel = "info"
    log_format: Literal["text", "json"] = "text"
    verbose: bool = False
    loop: Literal["auto", "uvloop", "asyncio"] = "auto"
    starts: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigError if a number is out of its bounds, or no number."""
        if type(self.adaptive) is not bool:
            raise ConfigError(f"adaptive={self.adaptive!r} is not usable: it is True or False")
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            kinds = (int, float) if name == "drain" else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
                raise ConfigError(f"{name}={value!r} is not usable: it is a number from {least:,} to {most:,}")
