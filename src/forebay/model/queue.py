"""What a queue is, as data, and the one rule for names."""

import re
from typing import NamedTuple, Self

import msgspec
from msgspec.structs import replace

from forebay.model.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SHOWN = 140  # characters of a bad one that an error shows


def check_name(kind: str, name: str) -> str:
    """`name`, if it is fit to be the name of a `kind` on every engine.

    Raises:
        ConfigError: it is empty, over 128 characters, or holds anything but letters, digits, `.`, `_` and `-`.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            f"{kind} name {str(name)[:_SHOWN]!r} is not allowed: use 1 to 128 letters, digits, '.', '_' or '-'"
        )
    return name


class QueueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A declared queue.

    Attributes:
        ttl: messages not started this many seconds after acceptance expire, unless they carry their own.
        rate: messages a second that may start from it, over all workers; burst: how many at once after a quiet time.
        concurrency: how many may run at a time, over all workers.
        key_rate, key_burst, key_concurrency: likewise, of each key.
        ordered: messages of one key run one after another, in order of acceptance; a retry keeps its place.
        fair: keys share the queue by run time.
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
    fair: bool = False
    assumed: bool = False
    mild: bool = False

    def holds(self, *, firm: bool) -> bool:
        """Whether it is to be written down; `firm`: a worker has declared the queue at its start."""
        return not (self.assumed or (self.mild and firm))

    def plain(self) -> Self:
        """What it says of the queue, whoever says it."""
        return replace(self, assumed=False, mild=False)


class Declared(NamedTuple):
    """What became of a declaration: what held of the queue before, and what holds now; both `QueueSpec.plain`."""

    before: QueueSpec
    now: QueueSpec
