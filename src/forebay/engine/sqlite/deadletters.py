"""Dead letters: made ready again, or discarded for good."""

from collections.abc import Sequence

from forebay.engine.sqlite import limits, rows, stirring
from forebay.engine.sqlite.choosing import in_steps, sought
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.lane import place
from forebay.store.records import Choice

#: Those whose unique key no live message holds: the others stay dead.
_FREE = "(once is null or not exists (select 1 from message as live where live.once = dead.once))"


class DeadLetters:
    """The `DeadLetters` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def redrive(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.redrive`."""
        return await in_steps(self._db, _redrive_all, sought(choice, "dead", _FREE), limit)

    async def purge(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.purge`."""
        return await in_steps(self._db, self._purge_all, sought(choice, "dead"), limit)

    def _purge_all(self, tx: Transaction, seqs: Sequence[int]) -> int:
        return sum(
            _moved(tx, seq, "purge", "discarded", (tx.now, tx.now + self._db.settings.result_ttl)) for seq in seqs
        )


def _redrive_all(tx: Transaction, seqs: Sequence[int]) -> int:
    return sum(_redriven(tx, seq, tx.number()) for seq in seqs)


def _redriven(tx: Transaction, seq: int, number: int) -> bool:
    if not _moved(tx, seq, "redrive", "ready", (tx.now, number)):
        return False
    queue, mine, task, key = tx.rows("select queue, lane, task, key from message where seq = ?", (number,))[0]
    if (told := limits.of_queue(tx, queue)) is not None and (lane := place(mine, task, key, told)) != mine:
        tx.db.execute("update message set lane = ?, home = ? where seq = ?", (lane, mine, number))
        mine = lane
    stirring.stir(tx, queue, {mine: 1})
    return True


def _moved(tx: Transaction, seq: int, statement: str, state: str, values: tuple[float, ...]) -> bool:
    """Take one from the dead letters elsewhere; False if it is gone, or a live message holds its key by now."""
    tx.db.execute(sql(statement), (seq, *values))
    if not tx.db.changes():
        return False
    queue = rows.text(tx.value("delete from dead where seq = ? returning cast(queue as blob)", (seq,)))
    tx.moved(queue, "dead", state)
    tx.topics.add(QUEUE + queue)
    return True
