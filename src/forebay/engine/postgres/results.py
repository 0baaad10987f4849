"""How messages ended, and how far they are."""

from collections.abc import Sequence

from forebay.engine.postgres import rows
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.topics import ENDED
from forebay.engine.postgres.writer import Tx
from forebay.model.delivery import Delivery
from forebay.store.records import Found


class Results:
    """The `Results` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def find(self, ids: Sequence[str]) -> list[Found | None]:
        """See `store.contract.Results.find`."""
        if not ids:
            return []
        found = {row[0]: rows.story(row) for row in await self._db.read("find", list(ids), self._db.now())}
        return [found.get(id_) for id_ in ids]

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """See `store.contract.Results.watch`. Elsewhere, only ends that somebody waits for are told."""
        look = self._db.watch(ids)
        if since is not None:
            await self._db.wait(since, min(timeout, look), [ENDED], due=False)
        return self._db.signal.version

    async def progress(self, delivery: Delivery, value: bytes) -> bool:
        """See `store.contract.Results.progress`."""
        return await self._db.worker.submit(_progress, delivery, value)


def _progress(tx: Tx, delivery: Delivery, value: bytes) -> bool:
    tx.ended.append(delivery.id)
    return bool(tx.only("progress", value, delivery.receipt, delivery.fence, delivery.id, tx.now))
