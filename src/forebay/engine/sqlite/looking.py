"""Which rows a query or a choice means, by an index that leads there quickly however many others wait.

What has an id or a key, what is rare in its state, what is in a queue that holds little, and what is asked for of a
queue whatever its task, is found by an index. All else is a walk along the table in windows, between which others get
their turn: long if little matches, but nobody waits.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.gates import SHUT
from forebay.engine.waiting import blocking
from forebay.model.lifecycle import LIVE, State

#: Rows that are looked through at once: a few milliseconds.
WINDOW = 20_000
#: Messages in a state that are few enough to be sorted.
FEW = 10_000
#: Lanes and priorities of a queue that are looked up one by one.
PLACES = 1_000

Read = Callable[[str, Sequence[Any]], list[Any]]


class Sought(NamedTuple):
    """What is looked for in a table at `now`; `also` is one more condition, in words of ours."""

    table: str
    queue: str | None = None
    task: str | None = None
    key: str | None = None
    unique: str | None = None
    state: State | None = None
    ids: Sequence[str] | None = None
    also: str = ""
    now: float = 0.0


class _Way(NamedTuple):
    """An index, and the conditions that lead along it."""

    along: str
    condition: str = ""
    values: tuple[Any, ...] = ()


_BY_STATE: dict[State, list[_Way]] = {
    State.SCHEDULED: [_Way("message_rest", "state = 0 and state <> 1 and state <> 2")],
    State.READY: [
        _Way("message_fresh", "state = 1 and due is null"),
        _Way("message_back", "state = 1 and due is not null"),
    ],
    State.RUNNING: [_Way("message_running", "state = 2")],
}
_BY_STATE[State.PARKED] = _BY_STATE[State.READY]  # behind a closed gate


#: What somebody else wrote: below all states, and above them.
_ODD = [_Way("message_rest", f"state {beyond} and state <> 1 and state <> 2") for beyond in ("< 0", "> 2")]
#: Before all numbers: those of queues whose newest goes first are below zero.
FRONT = -(2**63)
#: Columns between the queue and the number, in indexes that have some; and how one is compared with what was read.
_APART = {"message_fresh": ("lane", "priority"), "message_back": ("lane", "priority")}
_PLACE = {"lane": "cast(? as text)", "priority": "?"}


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
        values.append(rows.stored(sought.state) if sought.table == "message" else str(sought.state))
    if sought.state in (State.READY, State.PARKED):
        conditions.append(SHUT if sought.state is State.PARKED else f"not {SHUT}")
        values.append(sought.now)
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
    states = LIVE if sought.state is None else (sought.state,)
    ways = list(dict.fromkeys(way for state in rows.LIVE_STATES if state in states for way in _BY_STATE[state]))
    if sought.state is None:
        ways += _ODD
    if _are_few(read, states, sought.queue):
        return ways
    if sought.queue is None or sought.task is not None:
        return None
    return _in_order(read, sought.queue, ways)


def _are_few(read: Read, states: Collection[State], queue: str | None) -> bool:
    names = {str(State.READY if state is State.PARKED else state) for state in states}
    text = (
        "select coalesce(sum(n), 0) from tally where name in (select cast(value as text) from carray(?1))"
        " and (?2 is null or queue = ?2)"
    )
    return bool(read(text, (rows.many(names), queue))[0][0] <= FEW)


def _in_order(read: Read, queue: str, ways: Sequence[_Way]) -> list[_Way] | None:
    """The same ways within a queue, apart by lane and priority where the index is, so that each leads along the order.

    None if there are too many.
    """
    found: list[_Way] = []
    for way in ways:
        columns = _APART.get(way.along, ())
        for level in _levels(read, queue, way, columns):
            if len(found) == PLACES:
                return None
            also = "".join(f" and {column} = {_PLACE[column]}" for column in columns)
            found.append(way._replace(condition=way.condition + also, values=level))
    return found


def _levels(read: Read, queue: str, way: _Way, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The lanes of a queue that an index holds, with the priorities of each if it has them; each by one seek."""
    if not columns:
        yield ()
        return
    where = f"from message indexed by {way.along} where {way.condition} and queue = ?"
    lowest = f"select cast(min(lane) as blob) {where} and lane"
    highest = f"select max(priority) {where} and lane = cast(? as text)"
    lane = read(f"{lowest} >= ''", (queue,))[0][0]
    while lane is not None:
        if "priority" not in columns:
            yield (lane,)
        else:
            priority = read(highest, (queue, lane))[0][0]
            while priority is not None:
                yield (lane, priority)
                priority = read(f"{highest} and priority < ?", (queue, lane, priority))[0][0]
        lane = read(f"{lowest} > cast(? as text)", (queue, lane))[0][0]


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
            import asyncio  # nobody who has no loop comes here

            await asyncio.sleep(0)
    return found


def _windows(read: Read, table: str, after: int) -> Iterator[tuple[int, int]]:
    text = f"select max(seq) from (select seq from {table} where seq > ? order by seq limit {WINDOW})"  # noqa: S608
    while (high := read(text, (after,))[0][0]) is not None:
        yield after, high
        after = high
