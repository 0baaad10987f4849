"""A backend: the parts that an engine and its store consist of, put together by whoever builds them.

An engine that is its own store is one object in each place but `checks`; one with a store beside it takes some parts
from there. Whoever uses it takes the part it needs, or all of them `joined`. Does nothing itself.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

from forebay.engine.contract import Engine, Receipt
from forebay.model.delivery import Delivery
from forebay.model.finding import Finding
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.passage import Passage
from forebay.model.queue import QueueSpec
from forebay.store.contract import (
    Audits,
    DeadLetters,
    Gates,
    Inspects,
    Meters,
    Results,
    Schedules,
    Steering,
    Store,
    Workers,
)
from forebay.store.records import Load, Route


class Checks(Protocol):
    """Looking at what an engine stands on, without opening it and without changing anything."""

    @property
    def needed(self) -> frozenset[str]:
        """The checks without which nothing else can be asked: `Finding.check` of these."""
        ...

    def examine(self, *, deep: bool = True) -> Iterator[Finding]:
        """All findings, as they come; ends early when nothing more can be asked.

        Args:
            deep: also read everything there is; that takes as long as it is large.
        """
        ...

    def reachable(self) -> None:
        """Whether there is something to look at already.

        Raises:
            EngineUnreachable: nothing was ever made there, or nothing answers.
        """
        ...

    def versions(self) -> tuple[int, int]:
        """The version of the stored schema, 0 if there is none yet, and the one that this Forebay writes.

        Raises:
            EngineUnreachable: what is there is not ours.
        """
        ...

    def about(self) -> Mapping[str, str]:
        """What it stands on, for people: the "disk" or server, and the library by its name."""
        ...


@runtime_checkable
class Scripted(Protocol):
    """Checks of an engine whose schema somebody else may bring up to date."""

    def script(self) -> str:
        """What does so, in the language of its server; nothing if it is up to date."""
        ...


class Completed(StrEnum):
    """What has become of a message that was to be done in a transaction.

    OPEN: the transaction has not ended. UNDONE: it was rolled back, and the message still runs under its lease. LOST:
    so it was, and the lease is another one's.
    """

    COMMITTED = "committed"
    OPEN = "open"
    UNDONE = "undone"
    LOST = "lost"


class Transacts(Protocol):
    """Publishing and settling with the caller's own changes, in one transaction: both happen, or neither."""

    async def owns(self, connection: Any) -> bool:
        """Whether this connection leads to the very place where this engine keeps its messages."""
        ...

    async def publish_in(
        self, connection: Any, messages: Sequence[Message], queues: Sequence[QueueSpec] = ()
    ) -> list[Receipt]:
        """As `Engine.publish`, in the transaction that is open on `connection`; durable when the caller commits it.

        Nobody is told before that; workers find the messages at the commit, or at their next look. After an error the
        transaction is as it was before, and may be committed without the messages. The engine need not be open.

        Args:
            queues: what the app has declared and the engine may not know yet: made known on the way.

        Raises:
            ConfigError: the connection leads elsewhere, or no transaction is open on it.
            EngineFull: there is no room for them.
        """
        ...

    async def complete_in(self, connection: Any, worker: str, settlement: Settlement) -> bool:
        """As `Engine.settle` of a message that is done, in the transaction that is open on `connection`.

        False if the worker does not hold it (any more). If the transaction is undone the message is as it was.

        Raises:
            ConfigError: the connection leads elsewhere, or no transaction is open on it.
        """
        ...

    async def completed(self, worker: str, deliveries: Sequence[Delivery]) -> list[Completed]:
        """What has become of these, which `worker` was to be done with in transactions."""
        ...

    async def undo(self, delivery: Delivery) -> bool:
        """Undo the transaction in which this was to be done, and which is left open; false if none is known here."""
        ...


#: What is told to whoever moved messages by a route before somebody else began to.
OVERTAKEN = (
    "another `forebay move` between these two has begun meanwhile, and goes on with what this one left: let it finish, "
    "then run the command again to see that nothing is left"
)


class Moves(Protocol):
    """Messages that leave for another store, or come from one: `flow.crossing` says in which steps, and why so.

    A part of a backend that only some engines have. Each verb is one transaction, and what `depart` and `forget` have
    answered holds through a kill of whatever the store stands on; of `arrive` it is `marked` that says so.

    A route leads one way between two stores. Whoever moves along it claims it in both, under a name made anew at every
    start, and from then on nobody who did so before changes anything there, however late he comes.
    """

    async def named(self) -> str:
        """The name of what this store holds, made when it is first asked for, and kept."""
        ...

    async def claim(self, route: str, mover: str, about: str = "") -> None:
        """Only `mover` may use the route from now on; `about` says for people where it leads."""
        ...

    async def routes(self) -> list[Route]:
        """The routes that something stands aside for, or has arrived by and is still marked."""
        ...

    async def depart(
        self, route: str, mover: str, queue: str, *, dead: bool = False, after: int = 0, limit: int = 1000
    ) -> Load:
        """Take up to `limit` messages that wait, or that are dead, out of a queue, and keep them aside for the route.

        In order of acceptance (dead ones: of their end) behind the place `after` of the last call; what runs is passed
        over. Fewer if they are large (`model.passage.MOST`).
        """
        ...

    async def aside(self, route: str, *, after: int = 0, limit: int = 1000) -> Load:
        """What stands aside for a route, in the order in which it left, behind a place."""
        ...

    async def arrive(self, route: str, mover: str, passages: Sequence[Passage]) -> list[Receipt]:
        """Put messages into their queues as they were, at the end of the line, and mark them; a receipt each.

        Accepted: it is there, or was by this route before and is marked still. A duplicate of itself: its id is known
        here, live or ended; it is marked. A duplicate of another one: that is live and has its unique key; nothing was
        changed. A dead letter has no unique key to hold.

        Raises:
            EngineFull: there is no room for them; nothing was changed.
        """
        ...

    async def marked(self, route: str, ids: Sequence[str]) -> list[str]:
        """Which of these messages have come by this route and are marked still, so that no crash takes that back."""
        ...

    async def forget(self, route: str, mover: str, ids: Sequence[str] | None = None) -> None:
        """Forget what of these messages stands aside or is marked here; None: all marks."""
        ...

    async def back(self, route: str, mover: str, ids: Sequence[str]) -> list[Receipt]:
        """Put what stands aside into its queues again; receipts as of `arrive`, of those that stood there.

        One whose unique key a live message has got meanwhile stays aside.
        """
        ...


class Whole(Engine, Store, Protocol):
    """Engine and store in one object."""


class Backend(NamedTuple):
    """The parts. `checks` is None where nothing outlives the process, `transacts` where there are no transactions.

    `moves` is None where nothing can be moved from or to.
    """

    engine: Engine
    results: Results
    inspects: Inspects
    dead: DeadLetters
    gates: Gates
    meters: Meters
    steering: Steering
    schedules: Schedules
    workers: Workers
    audits: Audits
    checks: Checks | None = None
    transacts: Transacts | None = None
    moves: Moves | None = None


def of_one(
    whole: Whole, checks: Checks | None = None, transacts: Transacts | None = None, moves: Moves | None = None
) -> Backend:
    """The backend of an engine that is its own store."""
    return Backend(whole, whole, whole, whole, whole, whole, whole, whole, whole, whole, checks, transacts, moves)


#: What stands in the places of a `Backend` that have verbs.
ROLES: tuple[type, ...] = (Engine, Results, Inspects, DeadLetters, Gates, Meters, Steering, Schedules, Workers, Audits)

Verb = Callable[..., Any]


def verbs(backend: Backend, roles: Sequence[type] = ROLES) -> Iterator[tuple[str, Verb]]:
    """Every verb of the parts with these roles, by name; no two parts have one of the same name."""
    for part, role in zip(backend, ROLES, strict=False):
        for name in _names(role) if role in roles else ():
            yield name, getattr(part, name)


@cache
def _names(role: type) -> list[str]:
    """Looked for once in a process: that takes as long as all else of making an app."""
    return [name for name, _ in inspect.getmembers(role, inspect.iscoroutinefunction)]


def joined(backend: Backend) -> Whole:
    """All parts as one object; the very one if they are."""
    parts = backend[: len(ROLES)]
    if all(part is backend.engine for part in parts):
        return cast("Whole", backend.engine)
    return cast("Whole", SimpleNamespace(capabilities=backend.engine.capabilities, **dict(verbs(backend))))
