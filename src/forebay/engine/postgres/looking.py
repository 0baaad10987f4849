"""Which rows a query or a choice means, as the conditions of a statement; in order of acceptance, or of their ends."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from forebay.engine.postgres.rows import LIVE_STATES
from forebay.model.lifecycle import LIVE, State
from forebay.store.records import Choice, Query

#: The columns that `rows.story` takes apart; `t` is the present time.
LIVE_COLUMNS = (
    "m.id, m.queue, m.task, m.state::text, m.attempt, m.lost, m.priority, "
    "split_part(coalesce(m.home, m.lane), '|', 1), m.key, m.once, "
    "m.body, m.headers, m.created, m.due, m.expires, m.leased, m.worker, null::float8, null::bytea, m.cause, "
    "m.failure, m.progress, m.state = 1 and forebay.shut(m.queue, coalesce(m.home, m.lane), m.task, m.key, t)"
)
ENDED_COLUMNS = (
    "m.id, m.queue, m.task, m.state, m.attempt, m.lost, m.priority, "
    "split_part(m.lane, '|', 1), m.key, m.once, m.body, m.headers, "
    "m.created, m.due, m.expires, m.started, m.worker, m.finished, m.result, m.cause, m.failure, m.progress, false"
)
#: The present time as a row, from the first parameter.
TIME = "(select coalesce($1::float8, extract(epoch from clock_timestamp())::float8) as t) as now"


#: Before all numbers: those of queues whose newest goes first are below zero.
FRONT = -(2**63)


class Sought(NamedTuple):
    """What is looked for; `ended` says in which table, `also` is one more condition in words of ours."""

    ended: bool
    queue: str | None = None
    task: str | None = None
    key: str | None = None
    unique: str | None = None
    state: State | None = None
    ids: Sequence[str] | None = None
    also: str = ""

    @property
    def number(self) -> str:
        """The column that says the order."""
        return "n" if self.ended else "seq"

    @property
    def table(self) -> str:
        """The table it is in."""
        return "forebay.ended" if self.ended else "forebay.message"


def queried(query: Query) -> Sought:
    """What a query means."""
    ended = query.state is not None and query.state not in LIVE
    return Sought(ended, query.queue, query.task, query.key, query.unique, query.state)


def chosen(choice: Choice, *, ended: bool, also: str = "") -> Sought:
    """What a choice means among the live or the dead."""
    state = (choice.state or State.DEAD) if ended else choice.state
    return Sought(ended, choice.queue, choice.task, choice.key, None, state, choice.ids, also)


def possible(sought: Sought) -> bool:
    """Whether there can be any."""
    return sought.state is None or (sought.state in LIVE) != sought.ended


def conditions(sought: Sought, first: int) -> tuple[str, list[Any]]:
    """The conditions, joined by `and`, and the values of their parameters, numbered from `first`."""
    named = (("queue", sought.queue), ("task", sought.task), ("key", sought.key), ("once", sought.unique))
    parts: list[tuple[str, Any]] = [(f"m.{column} = ", value) for column, value in named if value is not None]
    if sought.ids is not None:
        parts.append(("m.id = any", list(sought.ids)))
    texts = [f"{text}({'$' + str(number)})" for number, (text, _) in enumerate(parts, first)]
    return " and ".join([*texts, *_of_state(sought), *filter(None, (sought.also,))]) or "true", [
        value for _, value in parts
    ]


def _of_state(sought: Sought) -> list[str]:
    """Literals of ours, so that the indexes of a state are found."""
    state = sought.state
    if state is None:
        return []
    if sought.ended:
        return [f"m.state = '{state}'"]
    if state in (State.READY, State.PARKED):
        negated = "not " if state is State.READY else ""
        return ["m.state = 1", f"{negated}forebay.shut(m.queue, coalesce(m.home, m.lane), m.task, m.key, t)"]
    return [f"m.state = {LIVE_STATES.index(state)}"]


def listing(sought: Sought, now: float | None, after: int, limit: int) -> tuple[str, list[Any]]:
    """A statement for what is known of the first `limit` after number `after`."""
    where, values = conditions(sought, 4)
    columns = ENDED_COLUMNS if sought.ended else LIVE_COLUMNS
    text = (
        f"select {columns} from {sought.table} m, {TIME} where m.{sought.number} > $2 and {where} "  # noqa: S608 - words of ours
        f"order by m.{sought.number} limit $3"
    )
    return text, [now, after, limit, *values]


def numbers(sought: Sought, now: float | None, after: int, limit: int) -> tuple[str, list[Any]]:
    """A statement for the numbers alone."""
    where, values = conditions(sought, 4)
    text = (
        f"select m.{sought.number} from {sought.table} m, {TIME} where m.{sought.number} > $2 and {where} "  # noqa: S608 - words of ours
        f"order by m.{sought.number} limit $3"
    )
    return text, [now, after, limit, *values]
