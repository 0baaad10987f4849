"""How messages ended, and how far they are."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import ENDED
from forebay.engine.sqlite.writer import Transaction
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import State
from forebay.store.contract import Found

#: Before anything that could be news.
NEVER = -1


class Results:
    """The `Results` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def find(self, ids: Sequence[str]) -> list[Found | None]:
        """See `store.contract.Results.find`."""
        return [self._find(id_) for id_ in ids]

    def _find(self, id_: str) -> Found | None:
        for statement, reader in (("find_finished", ended), ("find_live", live), ("find_dead", dead)):
            if found := self._db.read(sql(statement), (id_,)):
                return reader(found[0])
        # it may have ended between the first look and the second
        found = self._db.read(sql("find_finished"), (id_,))
        return ended(found[0]) if found else None

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """See `store.contract.Results.watch`. Any end wakes, whoever it is about."""
        await self._db.wait(since if since is not None else NEVER, timeout, [ENDED])
        return self._db.signal.version

    async def progress(self, delivery: Delivery, value: bytes) -> bool:
        """See `store.contract.Results.progress`."""
        return await self._db.writer.submit(_progress, delivery, value, self._db.boot)


def _progress(tx: Transaction, delivery: Delivery, value: bytes, boot: str) -> bool:
    tx.db.execute(sql("progress"), (value, delivery.receipt, delivery.fence, delivery.id, tx.mono, boot))
    tx.topics.add(ENDED)
    return bool(tx.db.changes())


def live(row: tuple[Any, ...]) -> Found:
    """From the columns of `find_live.sql`."""
    id_, queue, task, number, attempt, lost, priority, lane, key, unique, body, headers, created = row[:13]
    due, expires, started, worker, failure, progress, cause = row[13:]
    state = rows.live(number)
    return Found(
        id=id_, queue=queue, task=task, state=state, attempt=attempt, lost=lost, priority=priority, lane=lane, key=key,
        unique=unique, body=body, headers=rows.headers(headers), created=created,
        due=due if state is State.SCHEDULED else None, expires=expires, started=started, worker=worker,
        failure=rows.failure(failure), progress=progress, cause="" if state is State.RUNNING else cause or "",
    )  # fmt: skip


def ended(row: tuple[Any, ...]) -> Found:
    """From the columns of `find_finished.sql`."""
    id_, queue, task, state, attempt, lost, priority, lane, key, unique, headers, created, due, expires = row[:14]
    started, worker, finished, result, cause, failure, progress = row[14:]
    return Found(
        id=id_, queue=queue, task=task, state=State(state), attempt=attempt, lost=lost, priority=priority, lane=lane,
        key=key, unique=unique, headers=rows.headers(headers), created=created, due=due, expires=expires,
        started=started, worker=worker, finished=finished, result=result, cause=cause or "",
        failure=rows.failure(failure), progress=progress,
    )  # fmt: skip


def dead(row: tuple[Any, ...]) -> Found:
    """From the columns of `find_dead.sql`."""
    id_, queue, task, attempt, lost, priority, lane, key, unique, body, headers, created, due, expires = row[:14]
    started, worker, finished, cause, failure, progress = row[14:]
    return Found(
        id=id_, queue=queue, task=task, state=State.DEAD, attempt=attempt, lost=lost, priority=priority, lane=lane,
        key=key, unique=unique, body=body, headers=rows.headers(headers), created=created, due=due, expires=expires,
        started=started, worker=worker, finished=finished, cause=cause, failure=rows.failure(failure),
        progress=progress,
    )  # fmt: skip
