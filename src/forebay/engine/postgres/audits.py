"""What operators did, as lines of a table; bounded."""

from collections.abc import Sequence

from forebay.engine.postgres import rows
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.writer import Tx
from forebay.store.records import AuditLine

#: Lines that are kept.
KEPT = 10_000


class Audits:
    """The `Audits` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def note(self, actor: str, verb: str, target: str, detail: str = "") -> None:
        """See `store.contract.Audits.note`."""
        await self._db.worker.submit(_noted, [rows.clean(text) for text in (actor, verb, target, detail)])

    async def audits(self, limit: int = 50, before: int | None = None) -> list[AuditLine]:
        """See `store.contract.Audits.audits`."""
        found = await self._db.read("audits", limit, before)
        return [
            AuditLine(seq=seq, at=at, actor=actor, verb=verb, target=target, detail=detail)
            for seq, at, actor, verb, target, detail in found
        ]


def _noted(tx: Tx, texts: Sequence[str]) -> None:
    ((seq,),) = tx.rows("note", tx.time(), *texts)
    if seq % 100 == 0:
        tx.rows("trim_audit", seq - KEPT)
