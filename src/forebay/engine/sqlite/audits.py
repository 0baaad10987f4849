"""What operators did, as lines of the file; bounded."""

from typing import Any

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.store.records import AuditLine

#: Lines that are kept.
KEPT = 10_000


class Audits:
    """The `Audits` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def note(self, actor: str, verb: str, target: str, detail: str = "") -> None:
        """See `store.contract.Audits.note`."""
        await self._db.writer.submit(noted, actor, verb, target, detail)

    async def audits(self, limit: int = 50, before: int | None = None) -> list[AuditLine]:
        """See `store.contract.Audits.audits`."""
        return [_line(row) for row in self._db.read(sql("audits"), (limit, before))]


def noted(tx: Transaction, actor: str, verb: str, target: str, detail: str = "") -> None:
    """Write a line down, and let go of the oldest."""
    tx.db.execute(sql("note"), (tx.now, actor, verb, target, detail))
    tx.db.execute("delete from audit where seq <= ?", (tx.db.last_insert_rowid() - KEPT,))


def _line(row: tuple[Any, ...]) -> AuditLine:
    seq, at, *texts = row
    actor, verb, target, detail = (rows.text(text) for text in texts)
    return AuditLine(seq=seq, at=at, actor=actor, verb=verb, target=target, detail=detail)
