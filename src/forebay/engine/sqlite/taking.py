"""From ready to running: what was read of messages, as it is once they are leased, and then their rows.

Two statements, because one that writes and returns reads each row twice over, body and all, into a table of its own.
"""

from array import array
from typing import Any

import apsw

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.ended import without_ended
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction


def taken(
    tx: Transaction, worker: str, queue: str, found: list[tuple[Any, ...]], newest: bytes | None = None
) -> list[tuple[Any, ...]]:
    """Lease what this transaction has found by `ready.sql` or its like; without what has ended before.

    Args:
        newest: see `ended.ended`.
    """
    found = without_ended(tx, queue, found, newest)
    seqs = [row[0] for row in found]
    if len(seqs) <= rows.FEW:
        tx.db.executemany(sql("lease_one"), [(worker, tx.now, seq) for seq in seqs])
    elif seqs == list(range(seqs[0], seqs[0] + len(seqs))):  # SQLite walks along these, and looks for each of others
        tx.db.execute(sql("lease_span"), (worker, tx.now, seqs[0], seqs[-1]))
    else:
        tx.db.execute(sql("lease"), (worker, tx.now, apsw.carray(array("q", seqs))))
    return found
