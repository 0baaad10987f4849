"""Ids whose end is remembered: a message of such an id is not taken in again, and a row of one does not run again."""

import logging
from collections.abc import Sequence
from typing import Any

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.audits import noted
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction

_logger = logging.getLogger("forebay.sqlite")


def ended(tx: Transaction, ids: Sequence[str], newest: bytes | None = None) -> set[str]:
    """Which of these ids have ended within their retention, or are dead; `newest` if that was looked up already."""
    last: bytes = tx.value(sql("newest_end")) if newest is None else newest
    bound = last.decode() if last.isascii() else chr(0x10FFFF)
    suspects = [id_ for id_ in ids if id_ <= bound]
    return {id_ for (id_,) in tx.rows(sql("ended"), (rows.many(suspects),))} if suspects else set()


def without_ended(
    tx: Transaction, queue: str, leased: list[tuple[Any, ...]], newest: bytes | None = None
) -> list[tuple[Any, ...]]:
    """Rows of a lease without those that somebody put back into the file after their end: these are removed, and told.

    Nothing of ours does that, so that they are in no tally.
    """
    again = ended(tx, [row[1] for row in leased], newest)
    if not again:
        return leased
    for seq, id_, *_ in leased:
        if id_ in again:
            tx.db.execute(sql("remove"), (seq,))
            noted(tx, "forebay", "remove", id_, "its row was put back into the file after its end: it is not run again")
    tx.after.append(lambda: _tell(again))
    tx.topics.add(QUEUE + queue)  # what stands behind them has not been looked at
    return [row for row in leased if row[1] not in again]


def _tell(ids: set[str]) -> None:
    _logger.warning(
        "rows of ended messages were put back into the file, by none of ours; removed, and not run again: %s",
        ", ".join(sorted(ids)),
    )
