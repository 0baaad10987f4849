"""How many calls of a provider may be in flight, if it is asked for by what the provider can take. Pure.

Additive increase, multiplicative decrease (AIMD, as TCP has it): calls that are told to slow down, fail, time out or
are slow take away as large a part of the limit as they are of the calls; calls that end well where the limit was used
give some back. Two things keep that from swinging. What began before the limit last changed says nothing of it, so
that one burst of failures counts once. And the limit at which it was too much is remembered: below it the way back is
quick, one more than what went well is tried now and then.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from forebay.model.duration import span
from forebay.model.provider import Call, Capacity, Provider

#: Seconds of one step, and calls by which it is judged at the least: so many, or as many as may run.
STEP, ENOUGH = 1.0, 10
#: The part that goes wrong from which on it is too much, where none was told to slow down, which is a word that needs
#: no number; up to which it is all right; and from which the end of the step is not awaited.
SOME, FEW, MANY = 0.1, 0.02, 0.5
#: The most, and the least, that one decrease takes away, as a part.
MOST, LEAST = 0.5, 0.1
#: What one step gives back far below what was too much: a part of what there is, and one.
BACK = 0.2
#: Seconds at just below what was too much, until that is tried again: at the least, so many times as long as it has
#: asked to wait, so that what it costs is a small part; and at the most.
HOLD, TIMES, LONGEST = 5.0, 10, 300.0
#: Seconds that two readings of the store's clock may differ by.
_SAME = 0.002


def usual(one: Provider) -> int | None:
    """How many may ask it at a time while it is asked as usual; None for no bound."""
    most = one.terms.concurrency
    if most is None or one.capacity is None or not one.terms.adaptive:
        return most
    return min(most, _slots(one.capacity.limit))


def adapted(one: Provider, calls: Sequence[Call], now: float, running: int) -> Provider:
    """The same provider, with what these calls say of how much it can take.

    Args:
        calls: those that ended while it was asked as usual, or by and by.
        running: how many run.
    """
    most = one.terms.concurrency
    if most is None or not one.terms.adaptive:
        return one if one.capacity is None else replace(one, capacity=None)
    before = one.capacity or Capacity(limit=most, at=now)
    told = [call for call in calls if _tells(call, before)]
    if not told:
        return one
    seen = _counted(replace(before, limit=min(before.limit, most)), told, running)
    waits = [call.until - now for call in told if call.throttled and call.until is not None]
    seen = replace(seen, waits=max([seen.waits, *waits]))
    return replace(one, capacity=_judged(seen, most, now))


def eased(call: Call, one: Provider) -> Call:
    """The same call for the breaker: where the limit was more than one, it follows what is told to slow down."""
    if not call.throttled or call.ok is not False or usual(one) == 1:
        return call
    return replace(call, ok=None)


def halved(one: Provider, now: float, reason: str) -> Provider:
    """The same provider, of which calls have failed on its way back: half as many next time."""
    most = one.terms.concurrency
    if most is None or not one.terms.adaptive:
        return one
    before, few = one.capacity or Capacity(limit=most), min(most, one.level, usual(one) or most)
    after = replace(before, limit=max(1.0, few / 2), ceiling=few, since=now, fence=now, lowered=now, reason=reason)
    return replace(one, capacity=_begun(after, now))


def lowered(one: Provider, now: float) -> str:
    """Why fewer may ask it than were declared, in words; "" if they are not fewer."""
    few, most, capacity = usual(one), one.terms.concurrency, one.capacity
    if capacity is None or few is None or most is None or few >= most:
        return ""
    return f"provider {one.name} takes {few} of {most} at a time: {capacity.reason}, {span(now - capacity.lowered)} ago"


def _tells(call: Call, capacity: Capacity) -> bool:
    """Whether a call says how much it can take. A task that says that it is down does not.

    One that went well does if it began under the present limit; one that did not, since the limit was last lowered:
    timeouts are known late, and each step up would forget those of the one before.
    """
    if call.down or (call.ok is None and not call.throttled):
        return False
    return call.began >= (capacity.fence if _bad(call) else capacity.since) - _SAME


def _bad(call: Call) -> bool:
    return call.throttled or call.slow or not call.ok


def _counted(capacity: Capacity, told: Sequence[Call], running: int) -> Capacity:
    bad = [call for call in told if _bad(call)]
    throttled = sum(call.throttled for call in told)
    failed = sum(call.ok is False and not call.throttled for call in told)
    slow = sum(call.slow and call.ok is True for call in told)
    return replace(
        capacity, calls=capacity.calls + len(told), throttled=capacity.throttled + throttled,
        failed=capacity.failed + failed, slow=capacity.slow + slow, busy=max(capacity.busy, running, 1),
        took=capacity.took + sum(call.took for call in told), lost=capacity.lost + sum(call.took for call in bad),
    )  # fmt: skip


def _judged(seen: Capacity, most: int, now: float) -> Capacity:
    """After a step, if it is over: by time and number, or because so much goes wrong that it need not be awaited."""
    share = _share(seen)
    if seen.calls < min(ENOUGH, _slots(seen.limit)) or (0 <= now - seen.at < STEP and share < MANY):
        return seen
    if share >= SOME or seen.throttled:
        return _less(seen, share, now)
    limit = _more(seen, most, now) if share <= FEW and seen.busy * 2 >= seen.limit else seen.limit
    after = _begun(replace(seen, ceiling=_ceiling(seen, share)), now)
    return after if limit == seen.limit else replace(after, limit=limit, since=now)


def _share(seen: Capacity) -> float:
    """What goes wrong, as a part of the calls, or of their time: refusals are quick, and timeouts are not."""
    bad = seen.throttled + seen.failed + seen.slow
    return max(bad / seen.calls, seen.lost / seen.took if seen.took else 0.0)


def _less(seen: Capacity, share: float, now: float) -> Capacity:
    limit = max(1.0, seen.limit * (1 - min(MOST, max(LEAST, share))))
    after = replace(
        seen, limit=limit, ceiling=_slots(seen.limit), since=now, fence=now, lowered=now, reason=_why(seen),
        hold=min(LONGEST, max(HOLD, TIMES * seen.waits)),
    )  # fmt: skip
    return _begun(after, now)


def _more(seen: Capacity, most: int, now: float) -> float:
    grown = min(float(most), seen.limit * (1 + BACK) + 1)
    if not seen.ceiling or _slots(seen.limit) >= seen.ceiling:
        return grown
    tried = seen.limit + 1 if now - seen.since >= seen.hold or now < seen.since else seen.limit
    return min(grown, max(tried, seen.ceiling - 1.0))


def _ceiling(seen: Capacity, share: float) -> int:
    """What was too much, until as much has gone well."""
    return 0 if share <= FEW and _slots(seen.limit) >= seen.ceiling and seen.busy >= seen.ceiling else seen.ceiling


def _begun(capacity: Capacity, now: float) -> Capacity:
    return replace(capacity, at=now, calls=0, throttled=0, failed=0, slow=0, busy=0, took=0.0, lost=0.0, waits=0.0)


def _why(seen: Capacity) -> str:
    parts = ((seen.throttled, "told to slow down"), (seen.failed, "not answered"), (seen.slow, "slow"))
    told = [f"{count} {what}" for count, what in parts if count]
    return f"of {seen.calls} calls {' and '.join(told)}"


def _slots(limit: float) -> int:
    return max(1, int(limit + 1e-9))
