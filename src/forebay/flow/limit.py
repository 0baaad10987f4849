"""A queue that holds only so much: whether one more may come in, why not, and when there is room again.

Pure. A `Level` is what waits as an engine counts it, in the transaction that publishes. How fast a queue drains follows
from two such counts: the earlier ones are kept with the queue (`Drain`), so that a producer which has just started
knows it as well.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from forebay.model.queue import Limit

#: Of a limit, what is kept for messages that running tasks make: this part, and this many at the least.
SHARE, LEAST = 10, 100
#: Seconds between two counts that are kept, and how many must have left between them, unless it takes `SLOW` seconds.
STEP, ENOUGH, SLOW = 2.0, 20, 60.0
#: A queue is full until it has been drained to this part of its limit.
EASED = 0.9
#: How many must have left since the newer count to judge by that alone.
FEW = 10
#: How many times as many as have left since the newer count should have, until it has certainly become slower.
SLOWER = 4
#: Seconds to wait where nothing has left yet, at the least and at the most; and at the most where something has.
FIRST, STUCK, MOST = 1.0, 60.0, 3600.0


class Level(NamedTuple):
    """What waits in a queue.

    Attributes:
        n: messages, ready and scheduled.
        drained: how many have left since ever: published, less those that wait.
        size: bytes of their bodies; counted only where they are bound.
        age: seconds that the oldest ready one has waited; likewise.
    """

    n: int
    drained: int = 0
    size: int = 0
    age: float = 0.0

    def plus(self, n: int, size: int) -> "Level":
        """With so many more."""
        return self._replace(n=self.n + n, size=self.size + size)


def surplus(limit: Limit, level: Level) -> tuple[int, int]:
    """How many of the oldest have to go, where newer ones take their places; and how many bytes of bodies."""
    if limit.on_full != "shed_oldest":
        return 0, 0
    n = 0 if limit.messages is None else max(0, level.n - limit.messages)
    return n, 0 if limit.size is None else max(0, level.size - limit.size)


def oldest(sizes: Iterable[int], n: int, size: int) -> int:
    """How many of the oldest go, whose bodies have these sizes: `n` at the least, and `size` bytes."""
    gone = 0
    for one in sizes:
        if gone >= n and size <= 0:
            break
        gone, size = gone + 1, size - one
    return gone


def reserve(most: int) -> int:
    """How much more than a limit is held, if a running task asks for it: what is done need not be undone."""
    return max(LEAST, -(-most // SHARE))


def kept(limit: Limit) -> int:
    """How many places are kept for messages of a priority above 0: at least one, and one is left to all others."""
    if limit.messages is None or not limit.reserve:
        return 0
    return min(limit.messages - 1, max(1, math.floor(limit.messages * limit.reserve + 0.5)))


def never(limit: Limit, size: int) -> str:
    """Why a message of `size` bytes never fits, however little waits; "" if it may."""
    if limit.size is None or size <= limit.size:
        return ""
    return f"the message has {size:,} bytes, more than limit_bytes={limit.size:,}: it never fits"


def over(limit: Limit, level: Level, size: int = 0, n: int = 1, *, child: bool = False, priority: int = 0) -> str:
    """Why `n` messages of `size` bytes in all may not come in; "" if they may.

    Args:
        child: running tasks make them; priority: they have.
    """
    if limit.on_full == "shed_oldest":
        return ""
    if why := _over(limit, level, size, n, child=child):
        return why
    if not child and priority <= 0 and limit.messages is not None and level.n + n > limit.messages - kept(limit):
        places = "1 place" if kept(limit) == 1 else f"{kept(limit):,} places"
        return f"{_wait(level)}, and limit={limit.messages:,} keeps {places} for a priority above 0"
    return ""


def grown(limit: Limit, level: Level, size: int, instead: int, before: int = 0, *, child: bool = False) -> str:
    """Why newer arguments of `size` bytes may not take the place of `instead` bytes that wait; "" if they may.

    They are no further message, so that they ask for no place. Smaller ones get in whatever waits, unless they would
    overtake.

    Args:
        before: bytes that were refused before them in the same call.
    """
    if limit.on_full == "shed_oldest" or (most := limit.size) is None or (size <= instead and not before):
        return ""
    rest = level.plus(-1, before - instead)
    if rest.size + size <= most or (child and _spare(most, rest, size)):
        return ""
    there = f"{_wait(level)} with {level.size + before:,} bytes"
    return f"{there}, {size:,} are to take the place of {instead:,}, and limit_bytes={most:,}"


def _over(limit: Limit, level: Level, size: int = 0, n: int = 1, *, child: bool = False) -> str:
    if (most := limit.messages) is not None and level.n + n > most + (reserve(most) if child else 0):
        return f"{_wait(level)}, and limit={most:,}"
    if (most := limit.size) is not None and level.size + size > most and not (child and _spare(most, level, size)):
        return f"{_wait(level)} with {level.size:,} bytes, {size:,} are to come, and limit_bytes={most:,}"
    if limit.age is not None and level.age > limit.age and not child:
        return f"the oldest of {level.n:,} messages has waited {level.age:,.0f} s, and limit_age={limit.age:g}"
    return ""


def _wait(level: Level) -> str:
    return "1 message waits" if level.n == 1 else f"{level.n:,} messages wait"


def _spare(most: int, level: Level, size: int) -> bool:
    """Whether it goes into the reserve: a part of the limit, and one message at the least, however large that is."""
    return level.size <= most or level.size + size <= most + -(-most // SHARE)


class Drain(msgspec.Struct, frozen=True, array_like=True):
    """Two counts of how many have left a queue, and when they were taken; the first is the older one.

    Attributes:
        full: since when publishes have found it full; 0.0 if they do not.
    """

    first: float
    first_n: int
    last: float
    last_n: int
    full: float = 0.0

    def seen(self, now: float, drained: int) -> "Drain":
        """After another count; itself, if that is not worth being kept."""
        slow, back = now - self.last >= SLOW, drained < self.last_n
        if now < self.last or (back and slow):  # the clock was set back, or more has come back than has left since
            return Drain(now, drained, now, drained, self.full)
        if now - self.last < STEP or (drained - self.last_n < ENOUGH and not slow):
            return self
        return Drain(self.last, self.last_n, now, drained, self.full)

    def usual(self, places: int) -> float:
        """Seconds until so many have left, if it goes on as it did before it stood still."""
        return self.wait(places, self.last, self.last_n)

    def wait(self, places: int, now: float, drained: int) -> float:
        """Seconds until so many have left, if it goes on as it did lately.

        Since the older count; or since the newer one if it has gone faster since then, for it may have stood still, or
        if it has gone so much slower that it is no chance.
        """
        places, passed, left = max(1, places), now - self.first, drained - self.first_n
        if passed <= 0 or left <= 0:
            return min(STUCK, max(FIRST, passed))
        lately, more = now - self.last, max(0, drained - self.last_n)
        pace = passed / left
        if more >= FEW and lately > 0:
            pace = lately / more if lately >= STEP else min(pace, lately / more)
        known = self.last_n - self.first_n
        before = (self.last - self.first) / known if known > 0 else pace
        if more < FEW and lately > SLOWER * (more + 1) * before:
            return min(MOST, _slower(places, lately, more, before))
        return min(MOST, places * pace)


def _slower(places: int, lately: float, more: int, before: float) -> float:
    """Seconds until so many have left, where few have lately, or none.

    It may stand still for a moment: then all of them leave as quickly as before once it goes on. So a few say little of
    many: what has taken some seconds is not made hours of.
    """
    if not more:
        return min(STUCK, lately) + places * before
    return min(places * max(before, lately / more), FEW * lately + places * before)


def seen(known: Drain | None, now: float, drained: int) -> Drain:
    """As `Drain.seen`, from the first count on."""
    return Drain(now, drained, now, drained) if known is None else known.seen(now, drained)


def noted(known: Drain | None, limit: Limit, level: Level, now: float, size: int = 0) -> Drain:
    """What is kept with a queue once a publish has seen how much waits; the very same if nothing is other.

    Args:
        size: bytes of the message that is to come in.
    """
    drain = seen(known, now, level.drained)
    size = 0 if never(limit, size) else size  # what never fits says nothing of the queue
    full = (drain.full or now) if _over(limit, level, size) else 0.0 if eased(limit, level) else drain.full
    return drain if full == drain.full else replace(drain, full=full)


def refused(drain: Drain, limit: Limit, level: Level, now: float, size: int = 0) -> Drain:
    """What is kept with a queue once a message of `size` bytes was refused; the very same if nothing is other.

    A batch may begin in a queue that has room and fill it. What is refused for a reserve alone has not found it full.
    """
    if drain.full or not _over(limit, level, size):
        return drain
    return replace(drain, full=now)


def full_since(limit: Limit, full: float, level: Level) -> float:
    """Since when a queue has been full, seconds since the epoch; 0.0 if it is not.

    Args:
        full: `Drain.full`, as the last publish has left it.
        level: what waits in it now.
    """
    return 0.0 if eased(limit, level) else full


def eased(limit: Limit, level: Level) -> bool:
    """Whether it is not full any more, and has been drained a little besides."""
    many = limit.messages is not None and level.n >= limit.messages * EASED
    much = limit.size is not None and level.size >= limit.size * EASED
    old = limit.age is not None and level.age > limit.age * EASED
    return not many and not much and not old


def places(limit: Limit, level: Level, nth: int = 1, size: int = 0, *, priority: int = 1, child: bool = False) -> int:
    """How many have to leave until the `nth` that is refused now may come in.

    Args:
        size: bytes that are refused up to it, where they are bound; what leaves is as large as what waits.
        child: running tasks make them, which have a reserve.
    """
    most = level.n if limit.messages is None else limit.messages + _beyond(limit.messages, limit, priority, child=child)
    if limit.size is None or level.size <= 0:
        return max(0, level.n - most) + nth
    many = 0 if limit.messages is None else max(0, level.n - most) + nth
    large = -(-_excess(limit.size, level.size, size, child=child) * max(1, level.n) // level.size)
    return max(1, many, min(large, level.n + nth))


def _beyond(most: int, limit: Limit, priority: int, *, child: bool) -> int:
    """How many more than the limit may come in, less than 0 where some places are kept for others."""
    if child:
        return reserve(most)
    return -kept(limit) if priority <= 0 else 0


def _excess(most: int, there: int, size: int, *, child: bool) -> int:
    """Bytes that have to leave until so many more may come in; see `_spare`."""
    if child:
        return max(0, min(there - most, there + size - most - -(-most // SHARE)))
    return max(0, there + size - most)


def outlived(limit: Limit, level: Level, pace: float, quiet: float) -> int:
    """How many have to leave until the oldest has not waited too long, where that is bound; 0 if it has not.

    What waits has come evenly, and gets older while others leave.

    Args:
        pace: seconds in which one leaves. quiet: how long nothing has come in, as it was refused.
    """
    if limit.age is None or level.age <= limit.age:
        return 0
    n = max(1, level.n)
    younger = max(0.0, level.age - quiet) / n - pace  # by how much the oldest is, each time that one has left
    return n if younger <= 0 else min(n, math.ceil((level.age - limit.age) / younger))
