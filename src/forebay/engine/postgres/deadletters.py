"""Dead letters: made ready again, or discarded for good."""

from collections.abc import Sequence

from forebay.engine.postgres.choosing import in_steps
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.looking import chosen
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.store.records import Choice

#: Those whose unique key no live message holds: the others stay dead.
_FREE = "(m.once is null or not exists (select from forebay.message live where live.once = m.once))"


class DeadLetters:
    """The `DeadLetters` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def redrive(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.redrive`."""
        return await in_steps(self._db, _redrive, chosen(choice, ended=True, also=_FREE), limit)

    async def purge(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.DeadLetters.purge`."""
        return await in_steps(self._db, self._purge, chosen(choice, ended=True), limit)

    def _purge(self, tx: Tx, numbers: Sequence[int]) -> int:
        """A purged one is a new end of the same id: the old row has to be gone before the new one is there."""
        now = tx.time()
        return _account(tx, tx.rows("purge", numbers, now, now + self._db.settings.result_ttl), "discarded")


def _redrive(tx: Tx, numbers: Sequence[int]) -> int:
    now = tx.time()
    keys = [key for (key,) in tx.rows("redrive_keys", numbers)]
    if keys:
        tx.rows("lock_keys", keys)
    return _account(tx, tx.rows("redrive", numbers, now), "ready")


def _account(tx: Tx, places: Sequence[tuple[str, str, int]], state: str) -> int:
    for queue, lane, n in places:
        tx.moved((queue, lane), "dead", state, n)
        tx.topics.add(QUEUE + queue)
    return sum(n for _, _, n in places)
