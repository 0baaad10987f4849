"""What an engine can do, as data, and what is said when an app asks for more.

Read when an app is opened, and again before a verb or option is used that was not declared: nothing fails late, or
silently. `HOUSE` is also what the reference page of engines is made from.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from forebay.model.errors import ConfigError


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine has.

    Attributes:
        durable: an accepted message survives the loss of every process.
        shared: several processes may open the same URL.
        dedupe: when a message is dropped whose id is known: at its "publish", or only at its "lease".
        browse: a single message can be found and listed while it waits.
        leases: what a lease hangs on: the "row" of its worker, or the "connection" to a broker.
        steady: setting the date takes no lease away.
        priorities: messages of higher priority are leased first.
        delays: messages may be published that are due later; what is settled may be due later everywhere.
        unique: unique keys, and with them debounce.
        cancel: waiting messages can be cancelled, running ones asked to stop.
        results: ends and results are kept by itself; without that it needs a store beside it.
        meters: rates and slots of queues, tasks and keys.
        fair: queues whose keys share the workers by run time.
        lifo: queues whose newest message runs first.
        limits: queues that hold only so much.
        namespaces: several apps may share one URL, each in a namespace of its own.
        partitioned: order and parallelism come from partitions of a log.
        transacts: it can publish in a transaction of the caller's own.
        moves: messages can be moved from it to other engines, and to it.
    """

    durable: bool
    shared: bool
    dedupe: Literal["publish", "lease"] = "publish"
    browse: bool = True
    leases: Literal["row", "connection"] = "row"
    steady: bool = True
    priorities: bool = True
    delays: bool = True
    unique: bool = True
    cancel: bool = True
    results: bool = True
    meters: bool = True
    fair: bool = False
    lifo: bool = False
    limits: bool = True
    namespaces: bool = False
    partitioned: bool = False
    transacts: bool = False
    moves: bool = False


#: The engines of this house, by the scheme of their URL.
HOUSE: Mapping[str, Capabilities] = MappingProxyType(
    {
        "memory": Capabilities(durable=False, shared=False, fair=True, lifo=True),
        "sqlite": Capabilities(durable=True, shared=True, fair=True, lifo=True, transacts=True, moves=True),
        "postgresql": Capabilities(
            durable=True, shared=True, steady=False, fair=True, lifo=True, namespaces=True, transacts=True, moves=True
        ),
        "redis": Capabilities(
            durable=True, shared=True, steady=False, fair=True, lifo=True, namespaces=True, moves=True
        ),
    }
)


#: What the fields above are called in an error, where their names are not what people say.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "unique": "unique keys",
        "cancel": "cancelling",
        "meters": "rates and concurrency limits",
        "fair": "fair queues",
        "lifo": "newest-first queues",
        "limits": "bounded queues",
        "transacts": "transactions of your own",
    }
)


def worded(capability: str) -> str:
    """A capability in the words of the docs."""
    return _WORDS.get(capability, capability)


class Need(NamedTuple):
    """Something that an app asks for: the name of a capability, what asks for it, and how ("priority=5")."""

    capability: str
    by: str
    how: str


def lacking(has: Capabilities, needs: Iterable[Need]) -> list[Need]:
    """The needs that are not met, the first of each capability."""
    first: dict[str, Need] = {}
    for need in needs:
        if not getattr(has, need.capability):
            first.setdefault(need.capability, need)
    return list(first.values())


def require(engine: str, has: Capabilities, needs: Iterable[Need]) -> None:
    """Whether an engine has all that is asked for.

    Args:
        engine: its scheme, for the message.

    Raises:
        ConfigError: it has not; names what asks for what, and the engines that have it.
    """
    missing = lacking(has, needs)
    if missing:
        asked = "; ".join(f"{need.by} asks for {worded(need.capability)} ({need.how})" for need in missing)
        names = {need.capability for need in missing}
        able = [name for name, other in HOUSE.items() if all(getattr(other, one) for one in names)]
        where = f"use {' or '.join(f'{name}://' for name in able)}" if able else "no engine has all of that"
        raise ConfigError(
            f"{engine}:// has no {', no '.join(map(worded, sorted(names)))}: {asked}: {where}, or do without"
        )
