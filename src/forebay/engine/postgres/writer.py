"""A thread that writes: carries out groups of operations, each as one transaction, or as one statement if it is one.

What happens after the commit (who waits is told) cannot fail it. Two of these serve an engine, each with a connection
of its own: one for those who publish, one for all else, so that neither waits for the other's disk.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, Self

from forebay.engine.postgres import errors
from forebay.engine.postgres.bells import Bells
from forebay.engine.postgres.link import Link
from forebay.engine.postgres.statements import Statements
from forebay.engine.postgres.wire import Row, Wire
from forebay.engine.turns import Group, Operation, Turns
from forebay.model.errors import EngineClosed, EngineError, EngineUnreachable, OutcomeUnknown

#: What a tally counts, in the order of the columns of `delta`.
TALLIES = (
    *("ready", "scheduled", "running", "dead", "published", "done", "retried", "died", "cancelled", "expired"),
    *("discarded", "seconds"),
)


class Channel(Protocol):
    """What statements go through."""

    def begin(self) -> None:
        """What follows happens at `commit`, or not at all."""
        ...

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a statement."""
        ...

    def commit(self) -> None:
        """All since `begin`."""
        ...


class Tx:
    """What an operation sees: the connection, the time if it is not the server's own, and what it has to account for.

    Attributes:
        now: seconds since the epoch; None for the server's clock.
        again: an earlier attempt of this very operation may have been committed.
        topics: on which there is news once it is committed.
        ended: messages that ended or progressed in it.
        freed: topics of queues in which a slot may be free once it is committed.
    """

    __slots__ = ("_sql", "_wire", "again", "alone", "counts", "ended", "freed", "now", "topics")

    def __init__(self, wire: Channel, sql: Statements, now: float | None, *, again: bool, alone: bool) -> None:
        self._wire, self._sql, self.now, self.again, self.alone = wire, sql, now, again, alone
        self.topics: set[str] = set()
        self.freed: set[str] = set()
        self.ended: list[str] = []
        self.counts: dict[tuple[str, str], Counter[str]] = {}

    def only(self, name: str, *parameters: Any) -> list[Row]:
        """A statement that is all that its operation does: it needs no transaction around it if it is by itself."""
        if not self.alone:
            self._wire.begin()
        return self._wire.rows(self._sql[name], parameters)

    def in_transaction(self) -> Self:
        """It, for an operation that is a part of this one."""
        self.alone = False
        return self

    def rows(self, name: str, *parameters: Any) -> list[Row]:
        """A statement of several."""
        self._wire.begin()
        return self._wire.rows(self._sql[name], parameters)

    def time(self) -> float:
        """The present time, which stays the same within the transaction."""
        if self.now is None:
            self.now = float(self.rows("now")[0][0])
        return self.now

    def count(self, place: tuple[str, str], name: str, n: float = 1) -> None:
        """Add `n` to a tally of a queue and lane when this commits."""
        self.counts.setdefault(place, Counter())[name] += n  # type: ignore[assignment]

    def moved(self, place: tuple[str, str], start: str, end: str, n: int = 1) -> None:
        """`n` messages went from one tally to another."""
        self.count(place, start, -n)
        self.count(place, end, n)

    def finish(self) -> None:
        """Account for it, and commit."""
        if self.counts:
            places = list(self.counts)
            columns = [[self.counts[place][name] or None for place in places] for name in TALLIES]
            self.rows("account", [queue for queue, _ in places], [lane for _, lane in places], *columns)
        self._wire.commit()


class Writer(Turns[Tx]):
    """One writing connection, and the thread that uses it."""

    stubborn = EngineUnreachable, OutcomeUnknown, EngineClosed  # what the parts of a group would meet as well

    def __init__(self, link: Link, sql: Statements, bells: Bells, now: Any) -> None:
        self._link, self._sql, self._bells, self._now = link, sql, bells, now
        self._in_doubt: Sequence[Operation] = ()  # a group that may have been committed, and is tried again by halves
        super().__init__(sql.address.shown)

    def at_once(self) -> bool:
        """See `Turns.at_once`: never, for who waits for a server has to hear Ctrl-C meanwhile."""
        return False

    def close(self) -> None:
        """See `Turns.close`."""
        super().close()
        self._link.close()

    def explain(self, error: BaseException) -> BaseException:
        """See `Turns.explain`."""
        if isinstance(error, EngineUnreachable | OutcomeUnknown):  # each caller adds the ids that it brought
            told = type(error)(*error.args)
            told.__cause__ = error.__cause__
            return told
        ours = errors.translate(error, self._sql.address.shown)
        if self._link.in_doubt and isinstance(ours, EngineError):  # refused now, and perhaps committed before
            ours = errors.unknown(self._sql.address.shown, error)
        return ours

    def attempt(self, group: Group[Tx]) -> None:
        """See `Turns.attempt`."""
        again = any(one is group.operations[0] for one in self._in_doubt)
        if not again:
            self._in_doubt = ()
        try:
            asked = group.operations[0].alone or math.inf
            tx = self._link.run(lambda wire, again: self._transact(group, wire, again), again=again, asked=asked)
        except BaseException:
            if self._link.in_doubt and not again:
                self._in_doubt = group.operations
            raise
        self.afterwards("those who wait", self._bells.tell, tx.topics, tx.ended, tx.freed)
        group.commit()

    def _transact(self, group: Group[Tx], wire: Wire, again: bool) -> Tx:
        tx = Tx(wire, self._sql, self._now(), again=again, alone=_alone(group))
        if not wire.fresh:
            wire.begin()
        group.carry_out(tx)
        tx.finish()
        return tx


def _alone(group: Group[Tx]) -> bool:
    """Whether one act does all of it."""
    operations: Sequence[Any] = group.operations
    return len(operations) == 1 or (
        operations[0].crowd and all(one.crowd and one.act == operations[0].act for one in operations)
    )
