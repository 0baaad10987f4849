"""Meters by name, as rows: what is known of one, what stands beside it, and what it has let through.

What is said of each key of a provider (`model.provider.of_each`) holds for a key without a row of its own. It gets one
when it has let something through, of generation 0, and loses it when that remembers nothing any more.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.grant import changed
from forebay.model.budget import begun, window_of
from forebay.model.meter import Meter
from forebay.model.provider import METER, of_each

#: Rows of a statement with these values: within a transaction, or beside it.
Read = Callable[[str, Sequence[Any]], Iterable[Any]]


def meter(row: tuple[str, float | None, float | None, int | None, int, int, float]) -> Meter:
    """From the columns of table `meter`."""
    name, rate, burst, slots, generation, running, tat = row
    rate = rate if rate is not None and 0 < rate < math.inf else None  # whatever somebody else wrote there
    return Meter(name=name, rate=rate, burst=burst, slots=slots, generation=generation, running=running, tat=tat)


def put(tx: Transaction, one: Meter) -> None:
    """Bounds of a meter; what it has let through stays counted (`flow.grant.changed`)."""
    for name in keys_of(tx, one.name):
        _put(tx, replace(one, name=name), 0)
    _put(tx, one, 1)


def _put(tx: Transaction, one: Meter, more: int) -> None:
    before = next((meter(row) for row in tx.rows(rows.sql("meter"), (one.name,))), None)
    tat = 0.0 if before is None else changed(before.tat, before, one, tx.now)
    tx.db.execute(
        "insert into meter (name, rate, burst, slots, generation, running, tat) values (?1, ?2, ?3, ?4, ?6, 0, 0) "
        "on conflict do update set rate = ?2, burst = ?3, slots = ?4, generation = generation + ?6, tat = ?5",
        (one.name, one.rate, one.burst, one.slots, tat, more),
    )


def known(read: Read, name: str) -> Meter | None:
    """A meter by its name: its row, or what was said of each key of its provider, if it is a key's."""
    for one in (name, of_each(name)):
        for row in () if one is None else read(rows.sql("meter"), (one,)):
            found = meter(row)
            return found if one == name else replace(found, name=name, generation=0, running=0, tat=0.0)
    return None


def keys_of(tx: Transaction, name: str) -> list[str]:
    """The meters of keys that have rows because of what is said of each (`model.provider.of_each`)."""
    begin = name.partition("~")[0] + "~"
    if not name.startswith(METER) or of_each(begin + "k" + name.removeprefix(begin)) != name:
        return []
    found = tx.rows("select name from meter where name > ? and name < ? and generation = 0", (begin, begin + "\x7f"))
    return [one for (one,) in found if of_each(one) == name]


def write_down(tx: Transaction, one: Meter) -> None:
    """What a meter has let through; that of a key may have no row yet."""
    tx.db.execute(
        "insert into meter (name, rate, burst, slots, generation, running, tat) values (?1, ?2, ?3, ?4, 0, ?5, ?6) "
        "on conflict do update set running = ?5, tat = ?6",
        (one.name, one.rate, one.burst, one.slots, one.running, one.tat),
    )


def forget_keys(tx: Transaction) -> None:
    """Meters of keys behind which nothing runs, and which remember nothing: the next lease finds them as they were."""
    idle = tx.rows("select name, tat from meter where generation = 0 and running <= 0 and tat <= ?", (tx.now,))
    gone = [(name,) for name, tat in idle if (one := window_of(name)) is None or tat <= begun(one, tx.now)]
    tx.db.executemany("delete from meter where name = ?", gone)


def beside(read: Read, name: str) -> list[str]:
    """The budgets that stand beside a meter (`model.budget`); of a key's, those of each key as well."""
    if not name.startswith(METER):
        return []
    found: dict[str, None] = {}
    for one in (name, of_each(name)):
        budgets = () if one is None else read(rows.sql("beside"), (one,))
        found |= dict.fromkeys(name + budget.removeprefix(one or "") for (budget,) in budgets)
    return [*found]
