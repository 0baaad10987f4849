"""Which rows a query or a choice means, by an index that leads there quickly however many others wait.

What is rare in its state, or has an id, a key or a place (queue and task) of its own, is found by an index. All else
is a walk along the table in windows, between which others get their turn: long if little matches, but nobody waits.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from forebay.engine.sqlite import rows
from forebay.engine.waiting import blocking
from forebay.model.lifecycle import LIVE, State

#: Rows that are looked through at once: a few milliseconds.
WINDOW = 20_000
#: Messages in a state that are few enough to be sorted.
FEW = 10_000
#: Places (queue and task) that are looked up one by one.
PLACES = 1_000

Read = Callable[[str, Sequence[Any]], list[Any]]


class Sought(NamedTuple):
    """What is looked for in a table; `also` is one more condition, in words of ours."""

    table: str
    queue: str | None = None
    task: str | None = None
    key: str | None = None
    unique: str | None = None
    state: State | None = None
    ids: Sequence[str] | None = None
    also: str = ""


class _Way(NamedTuple):
    """An index, and the conditions that lead along it."""

    along: str
    condition: str = ""
    values: tuple[Any, ...] = ()


_BY_STATE: dict[State, list[_Way]] = {
    State.SCHEDULED: [_Way("message_later", "state = 0")],
    State.READY: [
        _Way("message_fresh", "state = 1 and due is null"),
        _Way("message_back", "state = 1 and due is not null"),
    ],
    State.RUNNING: [_Way("message_running", "state = 2")],
    State.PARKED: [_Way("message_parked", "state = 3")],
}


async def look(read: Read, sought: Sought, after: int, limit: int) -> list[int]:
    """The first `limit` row numbers above `after` of what is sought, in order."""
    if sought.state is not None and not _possible(sought.table, sought.state):
        return []
    ways = _ways(read, sought)
    if ways is None:
        return await _walk(read, sought, after, limit)
    found: list[int] = []
    conditions, values = _conditions(sought)
    for way in ways:
        where = " and ".join(filter(None, (way.condition, *conditions, "seq > ?")))
        text = f"select seq from {sought.table} indexed by {way.along} where {where} order by seq limit ?"  # noqa: S608
        found += [seq for (seq,) in read(text, (*way.values, *values, after, limit))]
    return sorted(found)[:limit]


def _possible(table: str, state: State) -> bool:
    return (table == "message") == (state in LIVE) and (table == "dead") == (state is State.DEAD)


def _conditions(sought: Sought) -> tuple[list[str], list[Any]]:
    named = (("queue", sought.queue), ("task", sought.task), ("key", sought.key), ("once", sought.unique))
    conditions = [f"{column} = ?" for column, value in named if value is not None]
    values: list[Any] = [value for _, value in named if value is not None]
    if sought.ids is not None:
        conditions.append("id in (select cast(value as text) from carray(?))")
        values.append(rows.many(sought.ids))
    if sought.state is not None and sought.table != "dead":
        conditions.append("state = ?")
        values.append(rows.LIVE_STATES.index(sought.state) if sought.table == "message" else str(sought.state))
    return [*conditions, *filter(None, (sought.also,))], values


def _ways(read: Read, sought: Sought) -> list[_Way] | None:
    """The indexes that lead there; None if only a walk does."""
    table = sought.table
    if sought.ids is not None:
        return [_Way(f"{table}_id")]
    if table == "message":
        return _live_ways(read, sought)
    if table == "finished":
        rare = sought.state not in (None, State.DONE)
        return [_Way("finished_other", "state <> 'done'")] if rare else None
    for name in ("key", "task", "queue"):
        if getattr(sought, name) is not None:
            return [_Way(f"dead_{name}", "key is not null" if name == "key" else "")]
    return None


def _live_ways(read: Read, sought: Sought) -> list[_Way] | None:
    if sought.unique is not None:
        return [_Way("message_unique", "once is not null")]
    if sought.key is not None:
        return [_Way("message_key", "key is not null")]
    if sought.state is not None and _is_rare(read, sought):
        return _BY_STATE[sought.state]
    if sought.queue is not None and sought.task is not None:
        return [_Way("message_place")]
    if sought.queue is not None:
        return _apart(read, "task", ("queue", sought.queue))
    return None if sought.task is None else _apart(read, "queue", ("task", sought.task))


def _is_rare(read: Read, sought: Sought) -> bool:
    text = "select coalesce(sum(n), 0) from tally where name = ?1 and (?2 is null or queue = ?2)"
    in_order = sought.state is State.SCHEDULED and sought.queue is not None and sought.task is None
    return in_order or read(text, (str(sought.state), sought.queue))[0][0] <= FEW


def _apart(read: Read, column: str, fixed: tuple[str, str]) -> list[_Way] | None:
    """A way for each task of a queue, or for each queue (a task is asked for in each); None if there are too many."""
    where, values = (f"{fixed[0]} = ? and ", (fixed[1],)) if fixed[0] == "queue" else ("", ())
    text = f"select cast(min({column}) as blob) from message indexed by message_place where {where}{column}"  # noqa: S608
    ways: list[_Way] = []
    found: bytes | None = read(f"{text} >= ?", (*values, ""))[0][0]
    while found is not None and len(ways) < PLACES:
        ways.append(_Way("message_place", f"{column} = cast(? as text)", (found,)))
        found = read(f"{text} > cast(? as text)", (*values, found))[0][0]
    return ways if found is None else None


async def _walk(read: Read, sought: Sought, after: int, limit: int) -> list[int]:
    conditions, values = _conditions(sought)
    where = " and ".join([*conditions, "seq > ?", "seq <= ?"])
    text = f"select seq from {sought.table} where {where} order by seq limit ?"  # noqa: S608 - words of ours
    found: list[int] = []
    for low, high in _windows(read, sought.table, after):
        found += [seq for (seq,) in read(text, (*values, low, high, limit - len(found)))]
        if len(found) >= limit:
            break
        if not blocking():
            await asyncio.sleep(0)
    return found


def _windows(read: Read, table: str, after: int) -> Iterator[tuple[int, int]]:
    text = f"select max(seq) from (select seq from {table} where seq > ? order by seq limit {WINDOW})"  # noqa: S608
    while (high := read(text, (after,))[0][0]) is not None:
        yield after, high
        after = high
