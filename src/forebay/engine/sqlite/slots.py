"""What passed meters and is settled out of the usual: done before it ran, or leased and not started."""

from collections.abc import Iterable, Mapping
from typing import cast

from forebay.engine.sqlite import limits, named
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.shares import free
from forebay.engine.sqlite.stirring import Left, names, nudge
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.grant import given_back
from forebay.flow.lane import Split, key_lane, parts
from forebay.model.budget import payer
from forebay.model.delivery import Delivery


def vacate(tx: Transaction, slots: Iterable[tuple[str, str, str, str | None]], told: Mapping[str, Split]) -> None:
    """What was done before it ran has ended: queue, own lane, task and key of each."""
    for queue, *kind in slots:
        if queue in told:
            free(tx, queue, told[queue], {cast("Left", tuple(kind)): 1})


def give_back(tx: Transaction, delivery: Delivery, told: Split, where: tuple[str, str]) -> set[str]:
    """What was leased has not started: the rates that it passed get back what it took.

    Args:
        where: its lane, its own.

    Returns:
        what has it back that lanes may wait for: its queue, for the meters of that; the names of meters that any queue
        may share.
    """
    cost: float = tx.value("select coalesce(cost, 1.0) from message where seq = ?", (delivery.receipt,))
    (lane, mine), queue, key = where, delivery.queue, delivery.key
    given, shared = set[str](), parts(mine).meters
    known = names(queue, told, mine, delivery.task, key)
    for name in (one for passed in known for one in (passed, *named.beside(tx.rows, passed))):
        for row in tx.rows(sql("meter"), (name,)):
            tat = given_back(named.meter(row), tx.now, cost)
            tx.db.execute("update meter set tat = ? where name = ? and tat <> ?1", (tat, name))
            if tx.db.changes():
                given.add(name if payer(name) in shared else queue)
    if key is not None and told.spec.key_rate is not None:
        for running, paid in tx.rows(sql("kept"), (queue, key_lane(key))):
            tat = given_back(limits.key_meter("", told, running, paid), tx.now, cost)
            tx.db.execute(
                "update lane set tat = ?3 where queue = ?1 and lane = ?2 and tat is not null",
                (queue, key_lane(key), tat),
            )
            given.add(queue)  # other lanes of the key may wait for it
        nudge(tx, queue, key_lane(key))
    nudge(tx, queue, lane)
    return given
