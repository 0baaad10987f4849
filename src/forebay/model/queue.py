"""What a queue is, as data, and the one rule for names."""

import re
from typing import Any, Literal, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from forebay.model.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SHOWN = 140  # characters of a bad one that an error shows


def check_name(kind: str, name: str) -> str:
    """`name`, if it is fit to be the name of a `kind` on every engine.

    Raises:
        ConfigError: it is empty, over 128 characters, holds anything but letters, digits, `.`, `_` and `-`, or
            begins with `.` or `-`.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            f"{kind} name {str(name)[:_SHOWN]!r} is not allowed: use 1 to 128 letters (a-z, A-Z), digits, '.', "
            "'_' or '-', and begin with a letter, a digit or '_'"
        )
    return name


#: What becomes of a message for which its queue has no room.
OnFull = Literal["reject", "wait", "shed_oldest", "spill"]
#: Seconds that a producer waits for room, unless the queue says otherwise.
PATIENCE = 30.0


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue holds at the most; running messages do not count.

    Attributes:
        messages: how many that wait, ready or scheduled; None for no bound.
        size: bytes of their bodies.
        age: seconds that the oldest ready one has waited.
        on_full: what becomes of one more.
        patience: seconds that a producer waits for room, where it waits.
        reserve: share of `messages` and `size` that is kept for messages of a priority above 0.
    """

    messages: int | None = None
    size: int | None = None
    age: float | None = None
    on_full: OnFull = "reject"
    patience: float = PATIENCE
    reserve: float = 0.0


def fields_of(limit: Limit) -> dict[str, Any]:
    """The fields of a `QueueSpec` that say the same."""
    if limit.messages is None and limit.size is None and limit.age is None:
        return {}
    waits = limit.patience if limit.on_full == "wait" else None
    return {
        "limit": limit.messages, "limit_bytes": limit.size, "limit_age": limit.age, "on_full": limit.on_full,
        "full_wait": waits, "reserve": limit.reserve or None,
    }  # fmt: skip


class QueueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A declared queue.

    Attributes:
        ttl: messages not started this many seconds after acceptance expire, unless they carry their own.
        rate: messages a second that may start from it, over all workers; burst: how many at once after a quiet time.
        concurrency: how many may run at a time, over all workers.
        key_rate, key_burst, key_concurrency: likewise, of each key.
        ordered: messages of one key run one after another, in order of acceptance; a retry keeps its place.
        lifo: of one priority the message that was accepted last runs first.
        fair: keys share the workers by run time, and messages without a key by their task; see `flow.fair`.
        weights: keys that get more or less of it than others, which get 1.
        limit: messages that may wait in it; limit_bytes: bytes of their bodies; limit_age: seconds that the oldest
            ready one may have waited before nothing more is taken in.
        on_full: what becomes of one more then; "reject", if that is not said.
        full_wait: seconds that a producer waits for room with "wait"; `PATIENCE`, if that is not said.
        reserve: share of the limit that is kept for messages of a priority above 0.
        mark, mark_age: messages that wait, seconds that the oldest has waited, from which on tasks that feed it are
            held; the governors keep them (`work.pressure`), engines do not.
        assumed: nobody has declared it, somebody merely uses it: what was declared elsewhere stands.
        mild: declared by who only enqueues, or by a process in the place of another: it holds until a worker has
            declared the queue at its start, and changes nothing from then on.
    """

    name: str
    ttl: float | None = None
    rate: float | None = None
    burst: float | None = None
    concurrency: int | None = None
    key_rate: float | None = None
    key_burst: float | None = None
    key_concurrency: int | None = None
    ordered: bool = False
    lifo: bool = False
    fair: bool = False
    weights: tuple[tuple[str, float], ...] = ()
    limit: int | None = None
    limit_bytes: int | None = None
    limit_age: float | None = None
    on_full: OnFull | None = None
    full_wait: float | None = None
    reserve: float | None = None
    mark: int | None = None
    mark_age: float | None = None
    assumed: bool = False
    mild: bool = False

    def holds(self, *, firm: bool) -> bool:
        """Whether it is to be written down; `firm`: a worker has declared the queue at its start."""
        return not (self.assumed or (self.mild and firm))

    @property
    def bound(self) -> Limit | None:
        """What it holds at the most; None for all that comes."""
        if self.limit is None and self.limit_bytes is None and self.limit_age is None:
            return None
        return Limit(
            messages=self.limit, size=self.limit_bytes, age=self.limit_age, on_full=self.on_full or "reject",
            patience=PATIENCE if self.full_wait is None else self.full_wait, reserve=self.reserve or 0.0,
        )  # fmt: skip

    def unbound(self) -> Self:
        """It, with room for all that comes."""
        return replace(self, limit=None, limit_bytes=None, limit_age=None, on_full=None, full_wait=None, reserve=None)

    def unmarked(self) -> Self:
        """What of it an engine keeps."""
        return self if self.mark is None and self.mark_age is None else replace(self, mark=None, mark_age=None)

    def plain(self) -> Self:
        """What it says of the queue, whoever says it."""
        return replace(self, assumed=False, mild=False)


class Declared(NamedTuple):
    """What became of a declaration: what held of the queue before, and what holds now; both `QueueSpec.plain`."""

    before: QueueSpec
    now: QueueSpec
