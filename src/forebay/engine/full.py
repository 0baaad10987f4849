"""What is said where a queue has no room: the receipt of each message that is refused, and the error for its producer.

For all engines alike. Counts nothing and decides nothing: `flow.limit` does.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from forebay.engine.contract import Fate, Full, Receipt
from forebay.flow.limit import Drain, Level, grown, never, outlived, over, places, seen
from forebay.model.duration import span
from forebay.model.errors import EngineFull, QueueFull
from forebay.model.message import PARENT, Message
from forebay.model.queue import Limit

_NOBODY_WAITS = "nobody waits within a transaction, which would hold up others; "
#: Before the name of a queue: what is watched by whoever waits for room in it (`Results.watch`).
ROOM = "room:"


def room(queue: str) -> str:
    """What is watched by whoever waits for room in a queue."""
    return ROOM + queue


def child(message: Message) -> bool:
    """Whether a running task has made it."""
    return message.headers is not None and PARENT in message.headers


def exempt(message: Message) -> bool:
    """Whether it is not new: it has a history, and was accepted before."""
    return message.carried is not None


class Filled(NamedTuple):
    """A queue with a limit as an engine found it.

    Attributes:
        level: what waits in it, with those that were accepted before.
        drain: what was known of how fast it drains.
        now: when that was.
        opens: when it goes on, if all of it is closed until a time that is known.
    """

    limit: Limit
    level: Level
    drain: Drain | None
    now: float
    opens: float | None = None


def refusal(message: Message, filled: Filled, nth: int = 1, before: int = 0, instead: int | None = None) -> Receipt:
    """The receipt of the `nth` message in a row that a queue has no room for, behind `before` bytes of such.

    Args:
        instead: bytes of the one that waits whose place it was to take; None if it was to be a further one.
    """
    limit, level = filled.limit, filled.level
    size = len(message.body)
    if why := never(limit, size):  # nobody waits for that, or puts it aside
        return Receipt(
            message.id, Fate.FULL, None, Full(message.queue, why, "reject", 0.0, never=True, size=limit.size)
        )
    if instead is None:
        why = over(limit, level.plus(0, before), size, child=child(message), priority=message.priority)
        free = places(limit, level, nth, before + size, priority=message.priority, child=child(message))
    else:
        why = grown(limit, level, size, instead, before, child=child(message))
        free = places(replace(limit, messages=None), level, nth, before + size - instead, child=child(message))
    wait = _wait(filled, free)
    full = Full(message.queue, why, limit.on_full, limit.patience, reserve=limit.reserve > 0, size=limit.size)
    return Receipt(message.id, Fate.FULL, wait, full)


def _wait(filled: Filled, free: int) -> float:
    """Seconds until so many have left, and the oldest that is still there has not waited too long."""
    limit, level, drain, now, opens = filled
    drain = seen(drain, now, level.drained)
    if limit.age is not None:
        quiet = now - drain.full if drain.full else 0.0
        free = max(free, outlived(limit, level, drain.wait(1, now, level.drained), quiet))
    if opens is not None and opens > now:
        return opens - now + drain.usual(free)
    return drain.wait(free, now, level.drained)


def without_room(receipts: Sequence[Receipt]) -> list[Receipt]:
    """Those of messages that there was no room for."""
    full = Fate.FULL  # members of an enum are slow to reach, and this is asked of each message
    return [one for one in receipts if one.fate is full]


def refused(receipts: Sequence[Receipt], *, within: bool = False) -> EngineFull | None:
    """The error for receipts of which some are `Fate.FULL`; None if none is.

    Args:
        within: they were published in a transaction of the caller's own, which is as it was.
    """
    if not (missing := without_room(receipts)):
        return None
    fulls = [one.full for one in missing if one.full is not None]
    full = next((one for one in fulls if one.never), fulls[0] if fulls else None)
    error = _engine(missing, len(receipts)) if full is None else _queue(full, missing, len(receipts))
    error.ids = tuple(receipt.id for receipt in missing)
    if full is None or not full.never:
        error.retry_after = max((one.retry_after for one in missing if one.retry_after is not None), default=None)
    if within:
        waits = full is not None and full.on_full == "wait"
        error.args = (f"{error}; {_NOBODY_WAITS if waits else ''}the transaction is as it was before",)
    elif error.retry_after is not None and full is not None:
        error.args = (f"{error}; there may be room in {span(error.retry_after)}",)
    return error


def _engine(missing: Sequence[Receipt], count: int) -> EngineFull:
    return EngineFull(
        f"no room for {len(missing)} of {count} messages: the engine is full up to max_size; "
        "let workers catch up, purge dead letters, or raise max_size"
    )


def _queue(full: Full, missing: Sequence[Receipt], count: int) -> QueueFull:
    later = "publish them again later, start more workers, or raise its limit"
    if full.never:
        later = "store the data elsewhere and send its address, or raise its limit"
    error = QueueFull(f"queue {full.queue} has no room for {len(missing)} of {count} messages ({full.why}): {later}")
    error.queue = full.queue
    return error
