"""Messages that leave for another store, or come from one: `engine.backend.Moves`, in the steps of `flow.crossing`."""

import uuid
from collections.abc import Sequence
from typing import Any

from forebay.engine.backend import OVERTAKEN
from forebay.engine.contract import Fate, Receipt
from forebay.engine.postgres import rows
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.looking import FRONT
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.flow.lane import own, parts
from forebay.model.errors import EngineError
from forebay.model.passage import MOST, Passage, packed, unpacked
from forebay.store.records import Load, Route


class Moving:
    """The `Moves` of one schema. What was carried out and not answered is carried out again, which changes nothing."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def named(self) -> str:
        """See `Moves.named`."""
        return await self._db.worker.submit(_named)

    async def claim(self, route: str, mover: str, about: str = "") -> None:
        """See `Moves.claim`."""
        await self._db.worker.submit(_claim, route, mover, about)

    async def routes(self) -> list[Route]:
        """See `Moves.routes`."""
        return [Route(*row) for row in await self._db.read("routes")]

    async def depart(
        self, route: str, mover: str, queue: str, *, dead: bool = False, after: int = 0, limit: int = 1000
    ) -> Load:
        """See `Moves.depart`."""
        take = _depart_dead if dead else _depart
        return await self._db.worker.submit(take, (route, mover), queue, after, limit)

    async def aside(self, route: str, *, after: int = 0, limit: int = 1000) -> Load:
        """See `Moves.aside`."""
        found = await self._db.read("aside", route, after, limit)
        return Load([unpacked(body) for _, body in found], found[-1][0] if len(found) == limit else None)

    async def arrive(self, route: str, mover: str, passages: Sequence[Passage]) -> list[Receipt]:
        """See `Moves.arrive`."""
        what = "the unique key of one of these messages"
        return await self._db.patiently(what, lambda writer: writer.submit(self._arrive, (route, mover), passages))

    def _arrive(self, tx: Tx, way: tuple[str, str], passages: Sequence[Passage]) -> list[Receipt]:
        _check(tx, *way)
        ids = [passage.id for passage in passages]
        came = {id_ for (id_,) in tx.rows("marked", way[0], ids)}
        new = [passage for passage in passages if passage.id not in came]
        fates = dict(zip((one.id for one in new), self._admit(tx, new), strict=True))
        settled = {one.id for one in new if fates[one.id].id == one.id}
        tx.rows("mark", way[0], sorted(settled))
        return [fates.get(id_, Receipt(id_)) for id_ in ids]

    def _admit(self, tx: Tx, passages: Sequence[Passage]) -> list[Receipt]:
        """Put them into their queues; a receipt each. Those that are known, or whose key is held, change nothing."""
        wanted = [one for one in passages if one.died is None and one.unique is not None]
        keys = [one.unique for one in wanted]
        holders: dict[str | None, str] = {}
        if keys:
            tx.rows("lock_keys", keys)
            holders = dict(tx.rows("key_holders", keys))
        known = {id_ for (id_,) in tx.rows("known", [one.id for one in passages])}
        held, fresh = dict[str, str](), list[Passage]()
        for one in passages:
            key = one.unique if one.died is None else None
            if one.id in known:
                continue
            if key is not None and holders.setdefault(key, one.id) != one.id:
                held[one.id] = holders[key]
                continue
            known.add(one.id)
            fresh.append(one)
        made = _enter(tx, [one for one in fresh if one.died is None])
        made |= _lay_down(tx, [one for one in fresh if one.died is not None])
        return [_receipt(one.id, made, held) for one in passages]

    async def marked(self, route: str, ids: Sequence[str]) -> list[str]:
        """See `Moves.marked`."""
        return [id_ for (id_,) in await self._db.read("marked", route, list(ids))]

    async def forget(self, route: str, mover: str, ids: Sequence[str] | None = None) -> None:
        """See `Moves.forget`."""
        await self._db.worker.submit(_forget, (route, mover), ids)

    async def back(self, route: str, mover: str, ids: Sequence[str]) -> list[Receipt]:
        """See `Moves.back`."""
        return await self._db.worker.submit(self._back, (route, mover), ids)

    def _back(self, tx: Tx, way: tuple[str, str], ids: Sequence[str]) -> list[Receipt]:
        _check(tx, *way)
        passages = [unpacked(body) for (body,) in tx.rows("aside_of", way[0], list(ids))]
        receipts = self._admit(tx, passages)
        settled = [one.id for one, receipt in zip(passages, receipts, strict=True) if receipt.id == one.id]
        tx.rows("forget_aside", way[0], settled)
        return receipts


def _named(tx: Tx) -> str:
    tx.rows("name_store", uuid.uuid4().hex)
    return str(tx.rows("claimed", "")[0][0])


def _claim(tx: Tx, route: str, mover: str, about: str) -> None:
    tx.rows("claim", route, mover, rows.clean(about))


def _check(tx: Tx, route: str, mover: str) -> None:
    """Whether it is still this mover's; nobody else's before this commits."""
    if tx.rows("claimed", route) != [(mover,)]:
        raise EngineError(OVERTAKEN)


def _depart(tx: Tx, way: tuple[str, str], queue: str, after: int, limit: int) -> Load:
    _check(tx, *way)
    found = tx.rows("depart", queue, after or FRONT, limit, MOST)
    for row in found:
        tx.count((queue, row[20]), "ready" if row[11] == rows.READY else "scheduled", -1)
    return _set_aside(tx, way[0], found, [_passage(queue, row) for row in found], limit)


def _depart_dead(tx: Tx, way: tuple[str, str], queue: str, after: int, limit: int) -> Load:
    _check(tx, *way)
    found = tx.rows("depart_dead", queue, after, limit, MOST)
    for row in found:
        tx.count((queue, row[8]), "dead", -1)
    return _set_aside(tx, way[0], found, [_dead(queue, row) for row in found], limit)


def _set_aside(tx: Tx, route: str, found: Sequence[Any], passages: Sequence[Passage], limit: int) -> Load:
    tx.rows("set_aside", route, [one.id for one in passages], [packed(one) for one in passages])
    size = sum(len(one.body) for one in passages)
    return Load(passages, found[-1][0] if len(found) == limit or size > MOST else None)


def _passage(queue: str, row: Sequence[Any]) -> Passage:
    _, id_, task, body, headers, key, once, priority, lane, cost, created, state, due, expires, attempt, lost = row[:16]
    unknown, cause, failure, progress, _, holds = row[16:]
    mine = parts(lane)
    return Passage(
        id=id_, queue=queue, task=task, body=body, headers=headers or b"", key=key, unique=once, priority=priority,
        lane=mine.lane, meters=mine.meters, cost=1.0 if cost is None else cost, created=created,
        scheduled=state == rows.SCHEDULED, due=due, first=bool(holds), expires=expires, attempt=attempt,
        lost=lost, unknown=unknown, cause=cause or "", failure=failure or b"", progress=progress or b"",
    )  # fmt: skip


def _dead(queue: str, row: Sequence[Any]) -> Passage:
    _, id_, task, body, headers, key, once, priority, lane, cost, created, due, expires, attempt, lost = row[:15]
    cause, failure, progress, finished, started, worker = row[15:]
    mine = parts(lane)
    return Passage(
        id=id_, queue=queue, task=task, body=body or b"", headers=headers or b"", key=key, unique=once,
        priority=priority, lane=mine.lane, meters=mine.meters, cost=1.0 if cost is None else cost, created=created,
        due=due, expires=expires, attempt=attempt, lost=lost, cause=cause or "", failure=failure or b"",
        progress=progress or b"", died=finished, started=started, worker=worker,
    )  # fmt: skip


def _receipt(id_: str, made: set[str], held: dict[str, str]) -> Receipt:
    return Receipt(id_) if id_ in made else Receipt(held.get(id_, id_), Fate.DUPLICATE)


def _enter(tx: Tx, passages: Sequence[Passage]) -> set[str]:
    """Into the lines, in the order given; the ids of those that came in."""
    if not passages:
        return set()
    places = sorted({(one.queue, own(one.lane, one.meters), one.priority) for one in passages})
    tx.rows("make_queues", sorted({queue for queue, *_ in places}))
    tx.rows("arrive_lanes", *map(list, zip(*places, strict=True)))
    for queue in sorted({one.queue for one in passages if one.meters}):
        tx.rows("mind", queue, tx.time())
    columns = zip(*(_columns(one, tx.time()) for one in passages), strict=True)
    found = {id_: place for id_, *place in tx.rows("arrive", *map(list, columns))}
    for (id_,) in tx.rows("not_twice", sorted(found)):
        del found[id_]
    for queue, lane, state in found.values():
        tx.count((queue, lane), str(rows.live(int(state))))
        tx.count((queue, lane), "published")
        tx.topics.add(QUEUE + queue)
    return set(found)


def _columns(one: Passage, now: float) -> tuple[Any, ...]:
    """As `arrive.sql` takes them."""
    created = min(one.created, now)
    return (
        one.id, one.queue, own(one.lane, one.meters), one.first and one.key is not None,
        rows.SCHEDULED if one.scheduled else rows.READY, one.priority, one.attempt, one.lost,
        created, created if one.due is None else one.due, one.expires, one.task, one.key, one.unique,
        one.headers or None, one.failure or None, rows.clean(one.cause) or None, one.progress or None, one.body,
        one.unknown, None if one.cost == 1.0 else one.cost,
    )  # fmt: skip


def _lay_down(tx: Tx, passages: Sequence[Passage]) -> set[str]:
    """Among the dead letters, in the order given; the ids of those that came in."""
    if not passages:
        return set()
    tx.rows("make_queues", sorted({one.queue for one in passages}))
    lanes = sorted(
        {(one.queue, own(one.lane, one.meters), one.priority) for one in passages}
    )  # where they are redriven to
    tx.rows("arrive_lanes", *map(list, zip(*lanes, strict=True)))
    values = [
        (
            one.id, one.queue, own(one.lane, one.meters), one.priority, one.attempt, one.lost,
            min(one.created, tx.time()),
            one.due, one.expires, one.started, one.died, one.worker, one.task, one.key, one.unique, one.headers or None,
            one.failure or None, rows.clean(one.cause), one.progress or None, one.body,
            None if one.cost == 1.0 else one.cost,
        )
        for one in passages
    ]  # fmt: skip
    made = {id_ for (id_,) in tx.rows("arrive_dead", *map(list, zip(*values, strict=True)))}
    for one in passages:
        if one.id in made:
            tx.count((one.queue, one.lane), "dead")
    return made


def _forget(tx: Tx, way: tuple[str, str], ids: Sequence[str] | None) -> None:
    _check(tx, *way)
    if ids is None:
        tx.rows("forget_all_marks", way[0])
    else:
        tx.rows("forget_these", way[0], list(ids))
