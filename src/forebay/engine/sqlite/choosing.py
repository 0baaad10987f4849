"""Verbs for many: which rows a choice means, and steps of a bounded size, each of them a commit of its own.

Between two steps others get their turn; what was done by then stays done, whatever becomes of the rest.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apsw
from msgspec.structs import replace

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.writer import Transaction, Writer
from forebay.model.lifecycle import LIVE
from forebay.store.contract import Choice

#: Messages that one commit moves.
STEP = 1_000

Act = Callable[[Transaction, Choice, int], tuple[int, int]]


async def in_steps(writer: Writer, act: Act, choice: Choice, limit: int) -> int:
    """`act` on up to `limit` of what is chosen; for how many it worked.

    `act(tx, choice, limit)` says how many rows it met and for how many it worked; when it meets fewer than it might
    have, nothing is left.
    """
    done = 0
    for part in _parts(choice):
        more = True
        while more and done < limit:
            size = min(STEP, limit - done)
            met, worked = await writer.submit(act, part, size)
            done += worked
            more = met >= size and worked > 0
    return done


def _parts(choice: Choice) -> Iterator[Choice]:
    """A choice by many ids in parts, so that each step looks for a few of them only."""
    if choice.ids is None:
        yield choice
        return
    for start in range(0, len(choice.ids), STEP):
        yield replace(choice, ids=choice.ids[start : start + STEP])


class Source(NamedTuple):
    """Where a verb looks: columns of the rows of a table that it can be about."""

    table: str
    columns: str
    condition: str


def chosen(tx: Transaction, source: Source, choice: Choice, limit: int) -> list[tuple[Any, ...]]:
    """The rows that are meant, oldest first."""
    where, values = [source.condition], list[Any]()
    for column, value in (("queue", choice.queue), ("task", choice.task), ("key", choice.key)):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if choice.ids is not None:
        where.append("id in (select value from carray(?))")
        values.append(apsw.carray(tuple(choice.ids) or ("",)))
    if choice.state is not None:
        where.append(_in_state(source.table, choice))
    text = f"select {source.columns} from {source.table} where {' and '.join(where)} order by seq limit ?"  # noqa: S608 - words of ours
    return tx.rows(text, (*values, limit))


def _in_state(table: str, choice: Choice) -> str:
    if table == "dead":
        return str(int(choice.state == "dead"))
    return f"state = {rows.LIVE_STATES.index(choice.state)}" if choice.state in LIVE else "0"
