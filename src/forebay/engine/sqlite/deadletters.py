"""Dead letters: made ready again, or discarded for good."""

from collections.abc import Callable, Sequence
from typing import Any

from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.publishing import QUEUE
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction


class DeadLetters:
    """The `DeadLetters` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def redrive(self, ids: Sequence[str] | None = None, queue: str | None = None, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.redrive`."""
        return await self._db.writer.submit(_each, _redrive, ids, queue, limit)

    async def purge(self, ids: Sequence[str] | None = None, queue: str | None = None, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.purge`."""
        keep = self._db.settings.result_ttl
        return await self._db.writer.submit(_each, lambda tx, seq, name: _purge(tx, seq, name, keep), ids, queue, limit)


def _each(
    tx: Transaction,
    act: Callable[[Transaction, int, str], bool],
    ids: Sequence[str] | None,
    queue: str | None,
    limit: int,
) -> int:
    """Act on the chosen dead letters, oldest first; how many it worked for."""
    return sum(act(tx, seq, name) for seq, name in _chosen(tx, ids, queue, limit))


def _chosen(tx: Transaction, ids: Sequence[str] | None, queue: str | None, limit: int) -> list[tuple[Any, ...]]:
    if ids is None and queue is None:
        return tx.rows("select seq, queue from dead order by seq limit ?", (limit,))
    if ids is None:
        return tx.rows("select seq, queue from dead where queue = ? order by seq limit ?", (queue, limit))
    text = "select seq, queue from dead where id = ?1 and (?2 is null or queue = ?2)"
    return sorted({row for id_ in ids for row in tx.rows(text, (id_, queue))})[:limit]


def _redrive(tx: Transaction, seq: int, queue: str) -> bool:
    """False if a live message holds its unique key by now: it stays dead."""
    tx.db.execute(sql("redrive"), (seq, tx.now))
    if not tx.db.changes():
        return False
    tx.db.execute("delete from dead where seq = ?", (seq,))
    tx.moved(queue, "dead", "ready")
    tx.topics.add(QUEUE + queue)
    return True


def _purge(tx: Transaction, seq: int, queue: str, keep: float) -> bool:
    tx.db.execute(sql("purge"), (seq, tx.now, tx.now + keep))
    tx.db.execute("delete from dead where seq = ?", (seq,))
    tx.moved(queue, "dead", "discarded")
    return True
