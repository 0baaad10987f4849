"""Who holds a unique key: nobody who waits and is too late to start, whether or not that one was ended already."""

from typing import Any

from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.model.message import Message


def holder(tx: Transaction, message: Message) -> tuple[Any, ...] | None:
    """The live message that stands in the way of one with its unique key, as `holders` has it; None if none does."""
    while found := tx.rows(sql("holders"), (message.unique, tx.now)):
        *held, late = found[0]
        if not late or (message.debounce > 0 and held[2:4] == [message.queue, message.task]):  # newer ones are in time
            return tuple(held)
        tx.db.execute("update message set once = null where seq = ?", (held[0],))
    return None
