"""The state beside the messages, as small Protocols that one object may implement together.

SQLite, Redis, PostgreSQL and memory are their own store; RabbitMQ and Kafka take one by URL. What is said of every verb
in `engine.contract.Engine` holds for these, too: any thread or loop may call, a cancelled verb may still happen, each
thing that a verb is about is atomic, and nothing fails what is committed.
"""

from collections.abc import Sequence
from typing import Protocol

from forebay.model.delivery import Delivery
from forebay.model.gate import OPERATOR, Gate
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.model.meter import Meter
from forebay.store.records import AuditLine, Choice, Found, Query, Schedule, Steered, WorkerRow


class Results(Protocol):
    """How messages ended."""

    async def find(self, ids: Sequence[str]) -> list[Found | None]:
        """What is known of each id; None for one never accepted or past its retention."""
        ...

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """Return when one of `ids` (None: any message) may have ended or progressed, or after `timeout` seconds.

        The answer is a mark: take one, look with `find`, and pass the mark as `since` the next time; what happened
        after it is never slept through, whoever else watches. Without `since` it returns at once. May return early.

        `engine.full.room(queue)` is an id as well: a message that waited in that queue, which has a limit, was leased.
        """
        ...

    async def progress(self, delivery: Delivery, value: bytes) -> bool:
        """Keep `value` as the progress of a running message; False if the lease is gone."""
        ...


class Inspects(Protocol):
    """Reading and stopping messages."""

    async def messages(self, query: Query) -> list[Found]:
        """Messages that match, in order of acceptance (final states: in order of their end)."""
        ...

    async def latest(self, limit: int) -> list[Found]:
        """The newest `limit` that wait or run, by acceptance, then the newest `limit` ends of any kind, by their end.

        The cost depends on `limit` alone; for watching what comes and goes.
        """
        ...

    async def held(self, worker: str) -> list[Delivery]:
        """What a worker holds now: the truth after a lease or settle that was cancelled or failed."""
        ...

    async def ending(self, end: str, limit: int = 10) -> list[str]:
        """Up to `limit` ids of known messages that end with `end`: people read the end of an id. Cost: all ids."""
        ...

    async def ahead(self, id_: str, limit: int = 100_000) -> int:
        """How many ready messages of its lane are leased before a ready one, counted up to `limit`; 0 for others.

        Parked ones stand in line as ready ones do. Where what its queue tells apart has changed since it was published,
        its lane may be the one from before, until a lease has sorted it. The cost is that of counting so many.
        """
        ...

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """Cancel: what waits ends at once; what runs is asked to stop (its state stays running until it does).

        The state after the call for each id, None if unknown. Ended messages keep their state.
        """
        ...

    async def cancel_all(self, choice: Choice, limit: int = 1000) -> int:
        """Cancel up to `limit` chosen live messages, oldest first, as `cancel` does; how many.

        Running ones that were asked before are not asked, nor counted, again: when it answers 0, nothing is left to do.
        """
        ...

    async def tidy(self, limit: int = 5000) -> int:
        """Delete up to `limit` ends past their retention and expire waiting messages past their time; how many."""
        ...


class DeadLetters(Protocol):
    """Dead letters as a workflow: listed with `messages(Query(state=State.DEAD))`, then one of these."""

    async def redrive(self, choice: Choice, limit: int = 1000) -> int:
        """Make up to `limit` chosen dead messages ready again with attempts counted from 0, oldest first; how many.

        One whose unique key a live message holds stays dead, and is not counted.
        """
        ...

    async def purge(self, choice: Choice, limit: int = 1000) -> int:
        """Discard up to `limit` chosen dead messages, oldest first; how many."""
        ...


class Gates(Protocol):
    """Pausing without touching a message."""

    async def close_gate(
        self,
        queue: str,
        lane: str | None = None,
        reason: str = "",
        holder: str = OPERATOR,
        until: float | None = None,
        *,
        task: str | None = None,
        key: str | None = None,
    ) -> None:
        """Stop leases from a queue, or from one lane of it, in the name of `holder`, who alone opens it again.

        With `task` or `key`, of what is of that task or key in it; with "" as its queue, in all of them.

        A gate that this holder has closed already keeps its time and takes the new reason and `until`.
        """
        ...

    async def open_gate(
        self,
        queue: str,
        lane: str | None = None,
        holder: str = OPERATOR,
        *,
        task: str | None = None,
        key: str | None = None,
    ) -> None:
        """Allow them again, as far as this holder goes.

        What is parked in a lane that nobody has closed any more, be it itself or its queue, becomes ready.
        """
        ...

    async def gates(self) -> list[Gate]:
        """The closed ones, by queue, lane (whole queues first) and holder."""
        ...


class Meters(Protocol):
    """Rates and slots by name. The store counts what runs; who puts one says what its bounds are."""

    async def put_meters(self, meters: Sequence[Meter]) -> list[bool]:
        """Add or change; False for each whose generation is not that of the one there (0: there is none), unchanged."""
        ...

    async def meters(self, names: Sequence[str] | None = None) -> list[Meter]:
        """Those of these names that there are, or all, by name."""
        ...

    async def drop_meters(self, names: Sequence[str]) -> None:
        """Remove them: nothing has to pass them any more."""
        ...

    async def charge_meter(self, name: str, cost: float, calls: int = 0) -> None:
        """What has passed this meter has cost that much more than it was taken to cost, or less if it is below 0.

        The budgets beside it are charged too (`model.budget`); those that count messages, for `calls` more.
        """
        ...


class Steering(Protocol):
    """Small rows by name that policies are kept in, each changed by whoever has seen it as it is. Their content is not
    the store's.
    """

    async def steer(self, rows: Sequence[Steered]) -> list[bool]:
        """Add or change; False for each whose generation is not that of the one there (0: there is none), unchanged.

        One without a body is removed.
        """
        ...

    async def steered(self, names: Sequence[str] | None = None) -> list[Steered]:
        """Those of these names that there are, or all, by name."""
        ...


class Schedules(Protocol):
    """Cron, fired exactly once per tick by any number of schedulers."""

    async def put_schedules(self, schedules: Sequence[Schedule]) -> None:
        """Add or change; a changed cron or time zone takes the new `next`, an unchanged one keeps its own."""
        ...

    async def schedules(self) -> list[Schedule]:
        """All, by name."""
        ...

    async def now(self) -> float:
        """The store's clock, by which ticks are judged: seconds since the epoch."""
        ...

    async def fire(
        self, name: str, tick: float, following: float, messages: Sequence[Message], last: float | None = None
    ) -> bool:
        """Publish `messages` and move `next` from `tick` to `following`.

        False, and nothing, if another was first, or if the store's clock has not reached `tick` yet.

        Args:
            last: the tick of the newest message; `tick` if None. Without messages the schedule keeps its own.
        """
        ...

    async def drop_schedules(self, names: Sequence[str]) -> None:
        """Remove them."""
        ...

    async def pause_schedule(self, name: str, paused: bool) -> bool:
        """Stop or start one; False if there is none of that name.

        What was missed while it was paused is not made up for: with its tick in the past, `next` becomes 0.
        """
        ...


class Workers(Protocol):
    """Who is there."""

    async def workers(self, host: str | None = None) -> list[WorkerRow]:
        """The worker processes whose row still stands; those of one host if it is given."""
        ...


class Audits(Protocol):
    """What operators did. The store keeps the newest ten thousand lines."""

    async def note(self, actor: str, verb: str, target: str, detail: str = "") -> None:
        """Write one down."""
        ...

    async def audits(self, limit: int = 50, before: int | None = None) -> list[AuditLine]:
        """The newest `limit`, newest first; those older than line `before`, to page on."""
        ...


class Store(Results, Inspects, DeadLetters, Gates, Meters, Steering, Schedules, Workers, Audits, Protocol):
    """Everything together, as `memory` and `sqlite` have it."""
