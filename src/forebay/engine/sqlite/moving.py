"""Messages that leave for another store, or come from one: `engine.backend.Moves`, in the steps of `flow.crossing`."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from forebay.engine.backend import OVERTAKEN
from forebay.engine.contract import Fate, Receipt, Want
from forebay.engine.sqlite import limits, rows, stirring
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.ended import ended
from forebay.engine.sqlite.looking import FRONT
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.sifting import sifted
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.lane import Split, own, parts, place
from forebay.model.errors import EngineError
from forebay.model.passage import MOST, Passage, packed, unpacked
from forebay.store.records import Load, Route


class Moving:
    """The `Moves` of one file."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def named(self) -> str:
        """See `Moves.named`."""
        return await self._db.writer.submit(_named)

    async def claim(self, route: str, mover: str, about: str = "") -> None:
        """See `Moves.claim`."""
        await self._db.writer.submit(_claim, route, mover, about)

    async def routes(self) -> list[Route]:
        """See `Moves.routes`."""
        return [Route(*row) for row in self._db.read(sql("routes"))]

    async def depart(
        self, route: str, mover: str, queue: str, *, dead: bool = False, after: int = 0, limit: int = 1000
    ) -> Load:
        """See `Moves.depart`. What cannot be read of a row that was not ours becomes a dead letter on the way."""
        take = _depart_dead if dead else _depart
        return await sifted(self._db.writer, Want("", (queue,), limit), take, (route, mover), queue, after, limit)

    async def aside(self, route: str, *, after: int = 0, limit: int = 1000) -> Load:
        """See `Moves.aside`."""
        found = self._db.read(sql("aside"), (route, after, limit))
        return Load([unpacked(body) for _, body in found], found[-1][0] if len(found) == limit else None)

    async def arrive(self, route: str, mover: str, passages: Sequence[Passage]) -> list[Receipt]:
        """See `Moves.arrive`."""
        return await self._db.writer.submit(self._arrive, (route, mover), passages)

    def _arrive(self, tx: Transaction, way: tuple[str, str], passages: Sequence[Passage]) -> list[Receipt]:
        _check(tx, *way)
        came = {id_ for (id_,) in tx.rows(sql("marked"), (way[0], rows.many(one.id for one in passages)))}
        new = [passage for passage in passages if passage.id not in came]
        fates = dict(zip((one.id for one in new), self._db.room.within(tx, _admit, new), strict=True))
        receipts = [fates.get(passage.id, Receipt(passage.id)) for passage in passages]
        settled = {one.id for one in new if fates[one.id].id == one.id}
        tx.db.executemany("insert into mark (route, id) values (?, ?)", [(way[0], id_) for id_ in settled])
        return receipts

    async def marked(self, route: str, ids: Sequence[str]) -> list[str]:
        """See `Moves.marked`."""
        return [id_ for (id_,) in self._db.read(sql("marked"), (route, rows.many(ids)))]

    async def forget(self, route: str, mover: str, ids: Sequence[str] | None = None) -> None:
        """See `Moves.forget`."""
        await self._db.writer.submit(_forget, (route, mover), ids)

    async def back(self, route: str, mover: str, ids: Sequence[str]) -> list[Receipt]:
        """See `Moves.back`."""
        return await self._db.writer.submit(_back, (route, mover), ids)


def _named(tx: Transaction) -> str:
    tx.db.execute(
        "insert into route (name, mover, about) values ('', ?, '') on conflict do nothing", (uuid.uuid4().hex,)
    )
    return str(tx.value("select mover from route where name = ''"))


def _claim(tx: Transaction, route: str, mover: str, about: str) -> None:
    tx.db.execute("insert or replace into route (name, mover, about) values (?, ?, ?)", (route, mover, about))


def _check(tx: Transaction, route: str, mover: str) -> None:
    if tx.value("select mover from route where name = ?", (route,)) != mover:
        raise EngineError(OVERTAKEN)


def _depart(tx: Transaction, way: tuple[str, str], queue: str, after: int, limit: int) -> Load:
    _check(tx, *way)
    found = list(_no_more(tx.db.execute(sql("depart"), (queue, after or FRONT, limit))))
    told, waiting = limits.of_queue(tx, queue), Counter[str]()
    for row in found:
        if row[11] == rows.READY:
            waiting[row[21]] += 1
        elif told is not None and row[21]:
            stirring.nudge(tx, queue, row[21])
    stirring.stir(tx, queue, {lane: -n for lane, n in waiting.items()})
    tx.count(queue, "ready", -waiting.total())
    tx.count(queue, "scheduled", waiting.total() - len(found))
    passages = [_passage(queue, row) for row in found]
    _set_aside(tx, way[0], "message", found, passages)
    return _load(found, passages, limit)


def _depart_dead(tx: Transaction, way: tuple[str, str], queue: str, after: int, limit: int) -> Load:
    _check(tx, *way)
    found = list(_no_more(tx.db.execute(sql("depart_dead"), (queue, after, limit))))
    tx.count(queue, "dead", -len(found))
    passages = [_dead(queue, row) for row in found]
    _set_aside(tx, way[0], "dead", found, passages)
    return _load(found, passages, limit)


def _no_more(found: Any) -> Iterator[tuple[Any, ...]]:
    """Rows until their bodies are enough for one load."""
    size = 0
    for row in found:
        yield row
        size += len(row[3])
        if size > MOST:
            return


def _set_aside(tx: Transaction, route: str, table: str, found: Sequence[Any], passages: Sequence[Passage]) -> None:
    tx.db.executemany(
        "insert into passage (route, id, body) values (?, ?, ?)", [(route, one.id, packed(one)) for one in passages]
    )
    tx.db.executemany(f"delete from {table} where seq = ?", [(row[0],) for row in found])  # noqa: S608 - a table of ours


def _load(found: Sequence[Any], passages: Sequence[Passage], limit: int) -> Load:
    enough = len(found) == limit or sum(len(one.body) for one in passages) > MOST
    return Load(passages, found[-1][0] if enough else None)


def _passage(queue: str, row: Sequence[Any]) -> Passage:
    _, id_, task, body, headers, key, once, priority, mine, cost, created, state, due, holds, expires = row[:15]
    attempt, lost, unknown, cause, failure, progress, _ = row[15:]
    lane, meters, *_ = parts(mine)
    return Passage(
        id=id_, queue=queue, task=task, body=body, headers=headers or b"", key=key, unique=once, priority=priority,
        lane=lane, meters=meters, cost=1.0 if cost is None else cost, created=created,
        scheduled=state == rows.SCHEDULED, due=due, first=bool(holds), expires=expires, attempt=attempt, lost=lost,
        unknown=unknown, cause=cause or "", failure=failure or b"", progress=progress or b"",
    )  # fmt: skip


def _dead(queue: str, row: Sequence[Any]) -> Passage:
    _, id_, task, body, headers, key, once, priority, mine, cost, created, due, late, attempt, lost, cause = row[:16]
    failure, progress, finished, started, worker = row[16:]
    lane, meters, *_ = parts(mine)
    return Passage(
        id=id_, queue=queue, task=task, body=body, headers=headers or b"", key=key, unique=once, priority=priority,
        lane=lane, meters=meters, cost=1.0 if cost is None else cost, created=created, due=due, expires=late,
        attempt=attempt, lost=lost, cause=cause, failure=failure or b"", progress=progress or b"", died=finished,
        started=started, worker=worker,
    )  # fmt: skip


def _admit(tx: Transaction, passages: Sequence[Passage]) -> list[Receipt]:
    """Put them into their queues; a receipt each. Those that are known, or whose key is held, change nothing."""
    ids = [passage.id for passage in passages]
    known = {id_ for (id_,) in tx.rows(sql("live_of"), (rows.many(ids),))}
    known |= ended(tx, ids)
    keys = rows.many(one.unique for one in passages if one.unique is not None)
    holders: dict[str, str] = dict(tx.rows(sql("key_holders"), (keys,)))
    receipts, fresh = list[Receipt](), list[Passage]()
    for passage in passages:
        key = passage.unique if passage.died is None else None
        if passage.id in known:
            receipts.append(Receipt(passage.id, Fate.DUPLICATE))
        elif key is not None and key in holders:
            receipts.append(Receipt(holders[key], Fate.DUPLICATE))
        else:
            known.add(passage.id)
            if key is not None:
                holders[key] = passage.id
            fresh.append(passage)
            receipts.append(Receipt(passage.id))
    _enter(tx, [one for one in fresh if one.died is None])
    _lay_down(tx, [one for one in fresh if one.died is not None])
    return receipts


def _enter(tx: Transaction, passages: Sequence[Passage]) -> None:
    """Into the lines, in the order given."""
    told: dict[str, Split | None] = {}
    for queue, lane in {(one.queue, one.lane) for one in passages}:
        limits.introduce(tx, queue)
        tx.db.execute("insert into lane (queue, lane, go) values (?, ?, 0) on conflict do nothing", (queue, lane))
    for queue in {one.queue for one in passages if one.meters}:
        limits.tell_apart(tx, queue, "named")
    for queue in {one.queue for one in passages}:
        told[queue] = limits.of_queue(tx, queue)
        tx.topics.add(QUEUE + queue)
    number, values, waiting = tx.number(len(passages)) if passages else 0, list[tuple[Any, ...]](), Counter[Any]()
    for n, one in enumerate(passages):
        split, mine = told[one.queue], own(one.lane, one.meters)
        lane = mine if split is None else place(mine, one.task, one.key, split)
        waiting[one.queue, lane, one.scheduled] += 1
        values.append((number + n, *_columns(one, lane, mine, tx.now)))
    tx.db.executemany(sql("arrive"), values)
    for (queue, lane, scheduled), n in waiting.items():
        tx.count(queue, "published", n)
        tx.count(queue, "scheduled" if scheduled else "ready", n)
        if lane and not scheduled:
            stirring.stir(tx, queue, {lane: n})


def _columns(one: Passage, lane: str, mine: str, now: float) -> tuple[Any, ...]:
    """As `arrive.sql` takes them, behind the number."""
    created = min(one.created, now)
    due = one.due if one.due is not None or created == now else created  # it is older than its place in the line says
    return (
        one.id, one.queue, lane, None if lane == mine else mine, rows.SCHEDULED if one.scheduled else rows.READY,
        one.priority, one.attempt, one.lost, created, due, 1 if one.first else None, one.expires, one.task, one.key,
        one.unique, one.headers or None, one.failure or None, one.cause or None, one.progress or None, one.body,
        one.unknown, None if one.cost == 1.0 else one.cost,
    )  # fmt: skip


def _lay_down(tx: Transaction, passages: Sequence[Passage]) -> None:
    """Among the dead letters, in the order given."""
    for queue in {one.queue for one in passages}:
        limits.introduce(tx, queue)
    values = [
        (
            one.id, one.queue, own(one.lane, one.meters), one.priority, one.attempt, one.lost, min(one.created, tx.now),
            one.due, one.expires, one.started, one.died, one.worker, one.task, one.key, one.unique,
            one.headers or None, one.cause, one.failure or None, one.progress or None, one.body,
            None if one.cost == 1.0 else one.cost,
        )
        for one in passages
    ]  # fmt: skip
    tx.db.executemany(sql("arrive_dead"), values)
    for queue, n in Counter(one.queue for one in passages).items():
        tx.count(queue, "dead", n)


def _forget(tx: Transaction, way: tuple[str, str], ids: Sequence[str] | None) -> None:
    _check(tx, *way)
    if ids is None:
        tx.db.execute("delete from mark where route = ?", (way[0],))
        return
    for statement in ("forget_aside", "forget_marks"):
        tx.db.execute(sql(statement), (way[0], rows.many(ids)))


def _back(tx: Transaction, way: tuple[str, str], ids: Sequence[str]) -> list[Receipt]:
    _check(tx, *way)
    passages = [unpacked(body) for (body,) in tx.rows(sql("aside_of"), (way[0], rows.many(ids)))]
    receipts = _admit(tx, passages)
    settled = [one.id for one, receipt in zip(passages, receipts, strict=True) if receipt.id == one.id]
    tx.db.execute(sql("forget_aside"), (way[0], rows.many(settled)))
    return receipts
