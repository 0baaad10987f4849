"""How messages ended, and how far they are."""

from collections.abc import Sequence

from forebay.engine.full import ROOM
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.stories import seen, story
from forebay.engine.sqlite.topics import ENDED
from forebay.engine.sqlite.writer import Transaction, outlasts
from forebay.model.delivery import Delivery
from forebay.store.records import Found

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
        found = self._db.read(sql("find"), (id_,))
        return (
            seen(self._db, [story(found[-1])])[0] if found else None
        )  # beside its end, a live row can only be one that was put back

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """See `store.contract.Results.watch`. Any end wakes, whoever it is about; and who waits for room, that."""
        topics = [one for one in ids or () if one.startswith(ROOM)] or [ENDED]
        await self._db.wait(since if since is not None else NEVER, timeout, topics)
        return self._db.signal.version

    async def progress(self, delivery: Delivery, value: bytes) -> bool:
        """See `store.contract.Results.progress`."""
        return await self._db.writer.submit(_progress, delivery, value, self._db.boot)


@outlasts
def _progress(tx: Transaction, delivery: Delivery, value: bytes, boot: str) -> bool:
    tx.db.execute(sql("progress"), (value, delivery.receipt, delivery.fence, delivery.id, tx.mono, boot))
    tx.topics.add(ENDED)
    return bool(tx.db.changes())
