"""What the lanes of fair queues have had, kept in their rows: what changes it but a lease stands here (`flow.fair`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from forebay.engine.sqlite import rows, stirring
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.stirring import OVER, Left
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.fair import LATELY, Account, Common, ended, usual, weight
from forebay.flow.lane import Split, place
from forebay.model.queue import QueueSpec

_recent = msgspec.msgpack.Decoder(tuple[tuple[str, float], ...]).decode

#: Run times by task and key.
Times = Mapping[tuple[str, str | None], Sequence[float]]
_NONE: Times = MappingProxyType({})


def free(tx: Transaction, queue: str, told: Split, left: Mapping[Left, int], times: Times = _NONE) -> None:
    """So many messages of each kind do not run any more; `times` of those that ran."""
    stirring.free(tx, queue, told, left)
    if told.spec.fair:
        _leave(tx, queue, told, left, times)


def common(tx: Transaction, queue: str) -> Common:
    """What the lanes of a fair queue have in common."""
    found = tx.rows("select clock, usual, recent, needed from fair where queue = ?", (queue,))
    if not found:
        return Common(clock=tx.now)
    clock, took, recent, need = found[0]
    try:
        return Common(clock, took, () if recent is None else _recent(recent), need)
    except rows.FOREIGN:
        return Common(clock, took, (), need)


def _leave(tx: Transaction, queue: str, told: Split, left: Mapping[Left, int], times: Times) -> None:
    """So many of each kind run no more; `times` of those that ran."""
    n, ran, given = Counter[str](), dict[str, list[float]](), Counter[tuple[str, str | None]]()
    for (mine, task, key), some in left.items():
        lane, start = place(mine, task, key, told), given[task, key]
        n[lane] += some
        ran.setdefault(lane, []).extend(times.get((task, key), ())[start : start + some])
        given[task, key] += some
    weights, until = dict(told.spec.weights), tx.now + OVER + LATELY
    found = tx.rows(sql("fair_lanes"), (queue, rows.many(n)))
    after = [(lane, ended(Account(*one), weight(lane, weights), n[lane], ran[lane])) for lane, *one in found]
    tx.db.executemany(sql("fair_left"), [(queue, lane, *columns(account), until) for lane, account in after])
    tx.db.execute(sql("fair_forget"), (queue, rows.many(lane for lane, one in after if not one.busy), tx.now))
    if any(ran.values()):
        took = usual(common(tx, queue), [one for some in ran.values() for one in some]).usual
        tx.db.execute("update fair set usual = ? where queue = ?", (took, queue))


def change(tx: Transaction, before: QueueSpec, after: QueueSpec) -> None:
    """A queue is fair from now on, or is not any more."""
    if after.fair and not before.fair:
        tx.db.execute("insert or replace into fair (queue, clock) values (?, ?)", (after.name, tx.now))
        tx.db.execute("update lane set turn = ?2 where queue = ?1 and instr(lane, '|') > 0", (after.name, tx.now))
    elif before.fair and not after.fair:
        tx.db.execute("delete from fair where queue = ?", (after.name,))
        tx.db.execute(
            "update lane set turn = null, busy = 0, owed = 0, mean = null where queue = ? and turn is not null",
            (after.name,),
        )
        tx.db.execute(
            "delete from lane where queue = ? and n <= 0 and running <= 0 and tat is null and instr(lane, '|') > 0",
            (after.name,),
        )


def recount(tx: Transaction, running: Mapping[tuple[str, str], int]) -> None:
    """How many run of the lanes of fair queues, anew."""
    there = {(queue, lane): n for queue, lane, n in tx.rows("select queue, lane, busy from lane where busy <> 0")}
    apart = [lane for lane in there.keys() | running.keys() if there.get(lane, 0) != running.get(lane, 0)]
    tx.db.executemany(sql("fair_count"), [(*lane, running.get(lane, 0)) for lane in apart])


def columns(account: Account) -> tuple[float, int, float, float | None]:
    return account.turn, account.busy, account.owed, account.mean
