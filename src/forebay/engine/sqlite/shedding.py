"""Queues in which newer messages take the places of the oldest: what is too much ends, as a part of the publish."""

from collections.abc import Iterator
from typing import Any

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.filling import Filling
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.writer import Transaction
from forebay.model.lifecycle import Move, State
from forebay.model.ruling import SHED, Ruling


def shed(tx: Transaction, filling: Filling, but: int | None = None) -> None:
    """End the oldest that wait, as many as there are too many.

    Args:
        but: the number of one that stays: it has just become what it is.
    """
    n, size = filling.surplus()
    if not n and not size:
        return
    settling = Settling("", filling.keep)
    for seq, state, lost, lane in list(_oldest(tx, filling.queue, n, size, but)):
        ruling = Ruling(move=Move.DISCARD, state=State.DISCARDED, lost=lost, cause=SHED)
        settling.leave(tx, seq, (filling.queue, lane), rows.live(state), ruling)


def _oldest(tx: Transaction, queue: str, n: int, size: int, but: int | None) -> Iterator[tuple[Any, ...]]:
    """`n` messages at the least, and `size` bytes of bodies."""
    for seq, *row, bytes_ in tx.db.execute(sql("shed"), (queue, n + (but is not None) if not size else -1)):
        if n <= 0 and size <= 0:
            return
        if seq != but:
            n, size = n - 1, size - bytes_
            yield seq, *row
