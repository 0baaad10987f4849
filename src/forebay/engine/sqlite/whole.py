"""Queues that bound what runs of them as a whole: leased from as if they bounded nothing, only so much as may start.

Where all waits in the main lane, and nothing but the queue's own meter can be in its way, a lease need not look which
messages are first: the statement that takes them finds them anyhow. All else is left to `lanes.Turn`.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from forebay.engine.sqlite import limits, named
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.grant import grant, set_back
from forebay.flow.lane import Split
from forebay.model.delivery import Delivery
from forebay.model.meter import Meter


class Taken(NamedTuple):
    """What was taken; and when the meter lets more through, if it is what holds up more."""

    deliveries: list[Delivery]
    again: float | None = None


def take(
    tx: Transaction, queue: str, told: Split, limit: int, take_lane: Callable[[int, bool], list[Delivery]]
) -> Taken | None:
    """Up to `limit`, as many as the meter lets through; None where it is not so simple.

    Args:
        take_lane: takes so many of the main lane; and whether something in it comes back.
    """
    found = tx.rows(sql("whole"), (queue, tx.now)) if told.whole else ()
    if not found:
        return None
    row, (charged, back) = found[0][:-2], found[0][-2:]
    meter = named.meter(row)
    n = grant(meter, tx.now, limit).n
    if meter.rate is not None:  # it asks what each costs, and what the clock has done
        costly = n and (back or tx.value(sql("costly"), (tx.now, queue, n)))
        if costly or set_back((charged or 0) / 1000, tx.now):
            return None
    taken = take_lane(n, bool(back)) if n else []
    if taken:
        meter = _charge(tx, meter, len(taken), charged or 0)
    if len(taken) == limit or (more := grant(meter, tx.now, 1)).n:
        return Taken(taken)
    return Taken(taken, more.again)


def _charge(tx: Transaction, meter: Meter, n: int, charged: int) -> Meter:
    """The meter once it has let `n` through; a rate last did at `charged`, as `limits.charge` knows it."""
    tat = grant(meter, tx.now, n).tat
    tx.db.execute("update meter set running = running + ?, tat = ? where name = ?", (n, tat, meter.name))
    if meter.rate is not None:
        limits.charge(tx, charged)
    return replace(meter, running=meter.running + n, tat=tat)
