"""A provider's breaker: from how it stood and what calls have come to, to how it stands now. Pure.

While it is open nothing is asked. Then one probe goes; when that succeeds, more and more at a time, up to what is
usual. What began before it came to stand as it does says nothing about that: a late answer opens and closes nothing.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from forebay.flow.budget import KNOWN, UsedUp, meter_of
from forebay.flow.capacity import adapted, eased, halved, usual
from forebay.flow.grant import spent
from forebay.flow.ramp import first, following, top
from forebay.model.budget import PROBE
from forebay.model.duration import span
from forebay.model.meter import Meter
from forebay.model.provider import Bucket, Call, Provider, Stand, Trip
from forebay.model.provider import meter_of as meter_name

#: Parts of a window that are counted by themselves.
PARTS = 10
#: Seconds that two readings of the store's clock may differ by.
_SAME = 0.002
#: What is said of one whose budget is.
USED_UP = "has used up its budget"
#: What is said of one that nobody looks after, and the seconds that its probe is overdue by then.
UNKEPT, OVERDUE = "no running worker declares it", 5.0
#: Pauses after which they are not doubled any more: longer than any that is allowed.
_DOUBLED = 30


def advance(
    one: Provider, calls: Sequence[Call], now: float, draw: float, running: int, *, sent: bool = False
) -> Provider:
    """How a provider stands after these calls, at `now`.

    Args:
        draw: a random number in [0, 1), so that pauses of many providers do not end together.
        running: how many of its messages run.
        sent: whether a probe has started, of one that is being probed (`probe_of`).
    """
    one = _counted(one, calls, now)
    fresh = [call for call in calls if call.began >= one.fence - _SAME]
    if one.stand in (Stand.CLOSED, Stand.RAMP):
        before, one = one, adapted(one, fresh, now, running)
        fresh = [eased(call, before) for call in fresh] if one.terms.adaptive else fresh
    match one.stand:
        case Stand.CLOSED:
            return _closed(one, fresh, now, draw)
        case Stand.OPEN:
            return _open(one, calls, now, running)
        case Stand.HALF_OPEN:
            return _half_open(one, fresh, now, draw, running, sent)
        case Stand.RAMP:
            return _ramp(one, fresh, now, draw, running)


def opened(one: Provider, now: float, until: float | None, reason: str, actor: str = "") -> Provider:
    """The same provider, not asked before `until`; None: before somebody closes it."""
    return replace(
        one, stand=Stand.OPEN, since=now, fence=now, until=until, reason=reason, actor=actor, trips=one.trips + 1,
        buckets=(), streak=0, probing=None, level=0, spare=0, burying=False,
        down=one.down if one.down is not None else now,
    )  # fmt: skip


def closed(one: Provider, now: float) -> Provider:
    """The same provider, asked as usual."""
    return replace(
        one, stand=Stand.CLOSED, since=now, until=None, reason="", actor="", trips=0, buckets=(), streak=0, level=0,
        spare=0, probing=None, burying=False, down=None, throttled=0.0, throttle="",
    )  # fmt: skip


def probed(one: Provider, now: float, running: int) -> Provider:
    """The same provider, of which one call may be made to see whether it answers."""
    return replace(
        one, stand=Stand.HALF_OPEN, since=now, fence=now, until=None, level=1, spare=running, probing=None, probes=0,
        buckets=(), streak=0, actor="", burying=False,
    )  # fmt: skip


def slots(one: Provider, now: float) -> int | None:
    """How many may ask it at a time."""
    if one.diverted:
        return one.terms.concurrency
    if one.shut(now):
        return top(one.terms.concurrency) if one.burying and one.throttled <= now else 0
    if one.stand is Stand.HALF_OPEN:
        return one.spare + 1
    most = usual(one)
    if one.stand is Stand.RAMP:
        return one.level if most is None else min(most, one.level)
    return most


def probe_of(provider: str) -> Meter:
    """What lets one call through, and no other, while it is being probed: a budget of one in a very long window.

    Slots cannot: calls that began before may hold some for as long as they hang, and free them at any time.
    """
    return meter_of(meter_name(provider), PROBE)


def sent(probe: Meter, now: float) -> bool:
    """Whether a probe has started, by the meter that lets it through."""
    return spent(probe, now) > 0


def next_look(one: Provider, now: float) -> float | None:
    """When time alone changes something, seconds since the epoch; None if nothing but calls does."""
    times = [time for time in (one.throttled, one.spent) if time > now]
    times += [one.spent_at + KNOWN] if one.spent > now and one.spent_at + KNOWN > now else []
    times += [time for key in one.keys for time in (key.until, key.at + KNOWN) if time > now]
    times += [one.until] if one.stand is Stand.OPEN and one.until is not None else []
    return min(times, default=None)


def spending(one: Provider, used: UsedUp, now: float) -> Provider:
    """The same provider, with what is known of its budgets."""
    if used.until <= now:
        return one if not one.spent else replace(one, spent=0.0, budget="", spent_at=0.0)
    if one.spent == used.until and one.budget == used.budget:
        return one
    return replace(one, spent=used.until, budget=used.budget, spent_at=one.spent_at if one.spent > now else now)


def away(one: Provider, now: float) -> bool:
    """Whether it is not to be asked for so long that its work may go elsewhere."""
    after = one.terms.fallback_after
    if after is None:
        return False
    long = one.down is not None and now - one.down > after  # its pauses may all be shorter than that
    shut = one.stand is Stand.OPEN and (one.until is None or one.until - now > after or long)
    known = now - one.spent_at >= KNOWN  # nobody leases any more, and holds it for paid, who does not know
    return shut or one.throttled - now > after or (known and one.spent - now > max(after, KNOWN))


def overdue(one: Provider, created: float, now: float) -> bool:
    """Whether a message that was accepted at `created` has waited for it longer than is allowed."""
    most = one.terms.max_outage
    return most is not None and one.down is not None and now - max(one.down, created) > most


def told(one: Provider, now: float) -> str:
    """Why nothing, or little, is asked of it, in words; "" if it is asked as usual."""
    name, elsewhere = f"provider {one.name}", "; its fallback runs what waits" if one.diverted else ""
    if one.spent > now and one.stand is not Stand.OPEN and one.throttled <= one.spent:
        return f"{name} {USED_UP} of {one.budget}; the next one begins in {span(one.spent - now)}{elsewhere}"
    if one.throttled > now:
        said = f": {one.throttle}" if one.throttle else ""
        return f"{name} asked to wait, for another {span(one.throttled - now)}{said}{elsewhere}"
    because = f": {one.reason}" if one.reason else ""
    match one.stand:
        case Stand.OPEN:
            who = f"was opened by {one.actor} {span(now - one.since)} ago" if one.actor else _down(one, now)
            return f"{name} {who}{_next(one, now)}{because}{elsewhere}"
        case Stand.HALF_OPEN:
            return f"{name} is being probed, one call at a time{because}"
        case Stand.RAMP:
            return f"{name} comes back, {one.level} at a time"
        case Stand.CLOSED:
            return ""


def _down(one: Provider, now: float) -> str:
    return f"has been down for {span(now - (one.down if one.down is not None else one.since))}"


def _next(one: Provider, now: float) -> str:
    if one.until is None:
        return ", until somebody closes it"
    if one.until > now:
        return f", next probe in {span(one.until - now)}"
    late, patience = now - one.until, (one.terms.breaker or Trip()).open_for  # for what began before to end
    if one.burying or late <= patience + OVERDUE:
        return ", the next probe is due"
    return f", a probe has been due for {span(late)}, and {UNKEPT}"


# --- what calls say ---


def _counted(one: Provider, calls: Sequence[Call], now: float) -> Provider:
    """With calls counted, and with what it has said of when it may be asked again."""
    if not calls:
        return one
    failures = sum(call.ok is False for call in calls)
    asked = [call for call in calls if call.until is not None and not call.down and not call.key]
    throttles = [call for call in asked if call.ok is None or one.stand is Stand.CLOSED]
    last = max(throttles, key=lambda call: call.until or 0.0, default=None)
    if last is not None and last.until is not None and last.until > max(now, one.throttled):
        one = replace(one, throttled=last.until, throttle=last.reason)
    return replace(
        one, calls=one.calls + len(calls), failures=one.failures + failures, throttles=one.throttles + len(throttles),
        parks=one.parks + sum(call.parked for call in calls),
    )  # fmt: skip


def _closed(one: Provider, calls: Sequence[Call], now: float, draw: float) -> Provider:
    streak, down = one.streak, one.down
    for call in calls:
        if call.ok is not None:
            streak = 0 if call.ok else streak + 1
            down = None if call.ok else (now if down is None else down)
    one = replace(one, streak=streak, down=down)
    trip = one.terms.breaker
    if (asked := _asked(calls)) is not None:
        return _tripped(one, asked, now, draw)
    if trip is None:
        return one
    one = replace(one, buckets=_filled(one.buckets, calls, trip, now))
    reason = _why(one, trip)
    if not reason:
        return one
    last = next((call.reason for call in reversed(calls) if call.ok is False and call.reason), "")
    return _tripped(one, Call(now, False, reason=f"{reason}{'; the last: ' * bool(last)}{last}"), now, draw)


def _asked(calls: Sequence[Call]) -> Call | None:
    """The word of a task that it is down, if there is one; of several the one that waits longest."""
    return max((call for call in calls if call.down), key=lambda call: call.until or 0.0, default=None)


def _filled(buckets: tuple[Bucket, ...], calls: Sequence[Call], trip: Trip, now: float) -> tuple[Bucket, ...]:
    part = trip.window / PARTS
    kept = [bucket for bucket in buckets if now - trip.window < bucket.at <= now + part]
    told = [call for call in calls if call.ok is not None]
    if told:
        newest = kept.pop() if kept and now - kept[-1].at < part else Bucket(now)
        kept.append(
            Bucket(
                newest.at,
                newest.ok + sum(call.ok is True for call in told),
                newest.failed + sum(call.ok is False for call in told),
                newest.slow + sum(call.slow for call in told),
            )
        )
    return tuple(kept)


def _why(one: Provider, trip: Trip) -> str:
    """Why it opens; "" if it does not."""
    failed, slow = sum(part.failed for part in one.buckets), sum(part.slow for part in one.buckets)
    count = failed + sum(part.ok for part in one.buckets)
    if count >= trip.min_calls and failed >= trip.failure_ratio * count:
        return f"{failed} of {count} calls within {span(trip.window)} failed"
    if one.streak >= trip.min_calls:
        return f"{one.streak} calls failed one after another"
    if trip.slow is not None and count >= trip.min_calls and slow >= trip.slow_ratio * count:
        return f"{slow} of {count} calls within {span(trip.window)} took longer than {span(trip.slow)}"
    return ""


def pause(one: Provider, draw: float = 0.0) -> float:
    """Seconds that it is left alone if it opens now: longer each time that it comes again."""
    trip = one.terms.breaker or Trip()
    return min(trip.max_open, trip.open_for * 2.0 ** min(one.trips, _DOUBLED)) * (0.9 + 0.2 * draw)


def _tripped(one: Provider, call: Call, now: float, draw: float) -> Provider:
    """Open, for as long as it has asked for itself at the least."""
    return opened(one, now, max(now + pause(one, draw), call.until or 0.0), call.reason)


# --- open, and back ---


def _open(one: Provider, calls: Sequence[Call], now: float, running: int) -> Provider:
    """Until its time has come, and what began before has ended, or had time to."""
    until = one.until
    if until is None:
        return one
    asked = _asked([call for call in calls if call.until is not None])
    if asked is not None and asked.until is not None and asked.until > until:
        one, until = replace(one, until=asked.until, reason=asked.reason), asked.until
    patience = (one.terms.breaker or Trip()).open_for
    if one.burying or now < until or (running and now < until + patience):
        return one
    return probed(one, now, running)


def _half_open(  # noqa: PLR0917
    one: Provider, calls: Sequence[Call], now: float, draw: float, running: int, sent: bool
) -> Provider:
    told = [call for call in calls if call.ok is not None]
    failed = next((call for call in told if _bad(call)), None)
    if failed is not None:
        reason = failed.reason or ("the probe was slow" if failed.ok else "the probe failed")
        return _tripped(one, replace(failed, reason=reason), now, draw)
    if told:
        level = first(one.terms)
        if _over(one, level):
            return closed(one, now)
        return replace(one, stand=Stand.RAMP, since=now, level=level, spare=0, probing=None, streak=0, down=None)
    if not sent:
        return replace(one, probing=None)
    return _out(one, now, draw, ended=bool(calls) or not running)


def _out(one: Provider, now: float, draw: float, *, ended: bool) -> Provider:
    """A probe has been sent, and has told nothing yet; `ended`: nor will it, as far as is known."""
    if ended:
        return replace(one, probes=one.probes + 1, probing=None)  # another may go; should the word come late, it counts
    probing, patience = now if one.probing is None else one.probing, (one.terms.breaker or Trip()).probe_timeout
    if now - probing > patience:
        return _tripped(one, Call(now, False, reason=f"the probe did not end within {span(patience)}"), now, draw)
    return replace(one, probing=probing)


def _bad(call: Call) -> bool:
    return call.ok is False or call.slow


def _ramp(one: Provider, calls: Sequence[Call], now: float, draw: float, running: int) -> Provider:
    trip = one.terms.breaker or Trip()
    told = [call for call in calls if call.ok is not None]
    if (asked := _asked(calls)) is not None:
        return _tripped(one, asked, now, draw)
    buckets = _filled(one.buckets, told, trip, now)
    one = replace(one, buckets=buckets)
    bad = [call for call in told if _bad(call)]
    count = sum(part.ok + part.failed for part in buckets)
    failed = sum(part.failed for part in buckets) + (sum(part.slow for part in buckets) if trip.slow is not None else 0)
    if bad and failed >= trip.failure_ratio * count:
        reason = bad[-1].reason or ("calls were slow again" if bad[-1].ok else "calls failed again")
        return _tripped(halved(one, now, reason), replace(bad[-1], reason=reason), now, draw)
    if sum(part.ok for part in buckets) == 0:
        return closed(one, now) if _idle(one, now, running) else one
    level = following(one.terms, one.level, now - one.since)
    if _over(one, level):
        return closed(one, now)
    return one if level == one.level else replace(one, level=level, since=now, buckets=())


def _over(one: Provider, level: int | None) -> bool:
    """Whether there is no step left: so many may ask as usual, or as it has turned out to be able to take."""
    return level is None or (one.terms.adaptive and level >= top(usual(one)))


def _idle(one: Provider, now: float, running: int) -> bool:
    """Whether nobody has anything to ask of it any more: its last answers were good, and a ramp would never end."""
    patience = one.terms.ramp + (one.terms.breaker or Trip()).window
    return not running and now - max(one.since, one.throttled) > patience
