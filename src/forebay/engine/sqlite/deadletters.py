"""Dead letters: made ready again, or discarded for good."""

from collections.abc import Callable

from forebay.engine.sqlite.choosing import Source, chosen, in_steps
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.store.contract import Choice

#: Not those whose unique key a live message holds: they would stay, and stand before all others at the next step.
_FREE = "(uniq is null or not exists (select 1 from message as live where live.uniq = dead.uniq))"


class DeadLetters:
    """The `DeadLetters` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def redrive(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.redrive`."""
        return await in_steps(self._db.writer, _each(_redrive, _FREE), choice, limit)

    async def purge(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.purge`."""
        keep = self._db.settings.result_ttl
        purge = _each(lambda tx, seq, queue: _purge(tx, seq, queue, keep), "1")
        return await in_steps(self._db.writer, purge, choice, limit)


def _each(
    act: Callable[[Transaction, int, str], bool], condition: str
) -> Callable[[Transaction, Choice, int], tuple[int, int]]:
    """A step: act on the chosen dead letters, oldest first; how many it met, and for how many it worked."""

    def step(tx: Transaction, choice: Choice, limit: int) -> tuple[int, int]:
        found = chosen(tx, Source("dead", "seq, queue", condition), choice, limit)
        return len(found), sum(act(tx, seq, queue) for seq, queue in found)

    return step


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
