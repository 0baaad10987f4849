"""Queues in which newer messages take the places of the oldest: what is too much ends, as a part of the publish."""

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.filling import Filling
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.writer import Transaction
from forebay.model.lifecycle import Move, State
from forebay.model.ruling import SHED, Ruling


def shed(tx: Transaction, filling: Filling, keep: float) -> None:
    """End the oldest that wait, as many as there are too many; that they have ended so is kept `keep` seconds."""
    if not (n := filling.surplus()):
        return
    settling = Settling("", keep)
    for seq, state, lost, lane in tx.rows(sql("shed"), (filling.queue, n)):
        ruling = Ruling(move=Move.DISCARD, state=State.DISCARDED, lost=lost, cause=SHED)
        settling.leave(tx, seq, (filling.queue, lane), rows.live(state), ruling)
