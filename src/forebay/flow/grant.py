"""How many messages a meter lets through now: a rate by GCRA, for a whole batch at once, and a number of slots.

Pure; the one formula that engines may also carry out in a language of their own, which a generated test holds equal to
this one. Source: the generic cell rate algorithm, ITU-T I.371, in its virtual scheduling form.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from forebay.model.budget import PROBE, Budget, Window, begun, window_of
from forebay.model.duration import span
from forebay.model.meter import Meter

#: Seconds that a visit may come late without a start being lost, where nobody has said how many may start at once: who
#: asks every few milliseconds keeps the rate.
LATE = 0.1
#: Seconds that a clock may seem to go back without having been set: whoever waited for a lock has an older time.
SET_BACK = 1.0
#: Seconds that times since the epoch cannot tell apart.
_SAME = 1e-6
#: Seconds that starts of many keys may wait for one another, so that one look finds several; and what part of the time
#: between two starts of a key that may be, where being late costs it something.
TOGETHER, SHARE = 0.01, 0.02


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What a meter says.

    Attributes:
        n: how many may start now.
        tat: its `Meter.tat` once they have.
        again: when it may let one more through, seconds since the epoch; None if that takes a free slot.
    """

    n: int
    tat: float
    again: float | None


class Kept(NamedTuple):
    """How long the time still counts that a meter is ahead: `part` times as long up to `full` seconds, then `rest`."""

    full: float
    part: float
    rest: float

    def of(self, ahead: float) -> float:
        """So many seconds it is ahead from now on."""
        return min(ahead, self.full) * self.part + max(0.0, ahead - self.full) * self.rest


def tolerance(meter: Meter) -> float:
    """Seconds ahead of its rate that a meter may run; infinite without a rate."""
    if not meter.rate:
        return math.inf
    return LATE if meter.burst is None else (max(meter.burst, 1.0) - 1.0) / meter.rate


def slack(meter: Meter) -> float:
    """Seconds by which a start may wait for others: the rate of the meter is not missed by it, or by a hundredth."""
    return min(TOGETHER, max(tolerance(meter) / 2, SHARE / meter.rate)) if meter.rate else 0.0


def grant(meter: Meter, now: float, want: int, cost: float = 1.0) -> Grant:
    """Of `want` messages of `cost` each, how many may start at `now`.

    Whoever comes waits for what came before it, whatever it costs itself; its own cost is waited for by the next.
    A budget is such a meter, for which time goes on only when its next window begins: then there is all of it again.
    """
    window = window_of(meter.name)
    return _grant(meter, now, want, cost) if window is None else _of_window(window, meter, now, want, cost)


def _of_window(window: Window, meter: Meter, now: float, want: int, cost: float) -> Grant:
    at = begun(window, now)
    found = _grant(meter, at, want, 1.0 if window.calls else cost)
    if found.again is None or found.again <= at + _SAME:
        return Grant(found.n, found.tat, now)
    return Grant(found.n, found.tat, at + math.ceil((found.again - at) / window.seconds) * window.seconds)


def _grant(meter: Meter, now: float, want: int, cost: float) -> Grant:
    free = want if meter.slots is None else max(0, min(want, meter.slots - meter.running))
    step, ahead = cost / meter.rate if meter.rate else 0.0, tolerance(meter)
    first = max(meter.tat, now)
    late = now - (first - ahead) + _SAME
    n = (min(free, int(min(late / step, free)) + 1) if step else free) if late >= 0 else 0
    full = meter.slots is not None and meter.running + n >= meter.slots
    tat = first + n * step
    if not meter.rate:
        return Grant(n, meter.tat, None if full else now)
    return Grant(n, tat, None if full else tat - ahead)


def given_back(meter: Meter, now: float, cost: float = 1.0) -> float:
    """Its `Meter.tat` once a message of this cost that it had let through has not started after all."""
    if (window := window_of(meter.name)) is not None:
        now, cost = begun(window, now), 1.0 if window.calls else cost
    return max(meter.tat - cost / meter.rate, min(meter.tat, now)) if meter.rate else meter.tat


def charged(meter: Meter, now: float, cost: float, calls: int = 0) -> float:
    """Its `Meter.tat` once what it has let through has cost that much more than it was taken to cost, or less.

    Args:
        calls: what it is of a budget that counts messages.
    """
    window = window_of(meter.name)
    cost = calls if window is not None and window.calls else cost
    if not meter.rate:
        return meter.tat
    if cost < 0:
        return max(meter.tat + cost / meter.rate, min(meter.tat, now if window is None else begun(window, now)))
    return max(meter.tat, now if window is None else begun(window, now)) + cost / meter.rate


def changed(tat: float, before: Meter | None, after: Meter, now: float) -> float:
    """A meter's `Meter.tat` once it bounds something else.

    A rate that was raised holds at once, and what has been let through is not let through again. Of a budget so much
    is spent as was before.
    """
    window = window_of(after.name)
    if window is None:
        return now + kept(before, after).of(tat - now) if tat > now else tat
    if before is None or not before.burst or not after.burst:
        return tat
    at = begun(window, now)
    return at + max(0.0, tat - at) * before.burst / after.burst


def kept(before: Meter | None, after: Meter) -> Kept:
    """How long what a meter has let through still counts, once it bounds something else.

    As much of what may start at once is used up as before; what went beyond that, by its cost, is owed as it was.
    """
    if not after.rate:
        return Kept(0.0, 0.0, 0.0)
    if before is None or not before.rate:
        return Kept(0.0, 1.0, 1.0)
    full = tolerance(before) + 1 / before.rate
    return Kept(full, (tolerance(after) + 1 / after.rate) / full, before.rate / after.rate)


def spent(meter: Meter, now: float) -> float:
    """How much of a budget is spent in the present window; 0.0 of any other meter."""
    window = window_of(meter.name)
    if window is None or meter.burst is None:
        return 0.0
    return max(0.0, meter.tat - begun(window, now)) * meter.burst / window.seconds


def opens(meter: Meter, begin: float, nth: int) -> float:
    """When the rate of a meter lets the `nth` message from `begin` on through, each of a cost of 1."""
    window = window_of(meter.name)
    if not meter.rate:
        return begin
    if window is None:
        return max(begin, max(meter.tat, begin) + (nth - 1) / meter.rate - tolerance(meter))
    later = msgspec.structs.replace(meter, tat=max(meter.tat, begun(window, begin)) + (nth - 1) / meter.rate)
    return max(begin, grant(later, begin, 0).again or begin)


def set_back(latest: float, now: float) -> float:
    """By how much the clock was set back since `latest`, when a meter let something through; 0.0 if it was not.

    All that meters have written down lies that much too late: a meter owes what it owed then, and no more.
    """
    return latest - now if latest - now > SET_BACK else 0.0


def through(meters: Sequence[Meter], now: float, costs: Sequence[float]) -> tuple[int, list[Meter]]:
    """How many of a line of messages pass all of these meters, and the meters after that."""
    if not costs or len(set(costs)) < 2:
        return _alike(list(meters), now, len(costs), costs[0] if costs else 1.0)
    after, passed = list(meters), 0
    for cost in costs:
        n, later = _alike(after, now, 1, cost)
        if not n:
            break
        after, passed = later, passed + 1
    return passed, after


def _alike(meters: list[Meter], now: float, want: int, cost: float) -> tuple[int, list[Meter]]:
    answers = [grant(meter, now, want, cost) for meter in meters]
    n = min([answer.n for answer in answers], default=want)
    if not n:
        return 0, meters
    kept = [
        answer if answer.n == n else grant(meter, now, n, cost) for meter, answer in zip(meters, answers, strict=True)
    ]
    return n, [
        msgspec.structs.replace(meter, running=meter.running + n, tat=answer.tat)
        for meter, answer in zip(meters, kept, strict=True)
    ]


def why(meter: Meter, now: float, cost: float = 1.0) -> str:
    """Why it lets nothing through now, in the scheduler's own words; "" if it does."""
    answer = grant(meter, now, 1, cost)
    if answer.n:
        return ""
    if answer.again is None and meter.slots == 0:  # that of a provider which is left alone
        return "not asked now"
    if answer.again is None:
        return f"{min(meter.running, meter.slots or 0)} of {meter.slots} slots taken"
    if (window := window_of(meter.name)) is not None:
        budget = Budget(window.seconds, meter.burst or 0.0, window.calls)
        if budget == PROBE:
            return "one call is out, to see whether it answers"
        return f"its budget of {budget} is used up; the next one begins in {span(answer.again - now)}"
    return f"rate {shown(meter.rate or 0.0)}, next in {span(max(0.0, answer.again - now))}"


def shown(rate: float) -> str:
    """A rate for people: messages a second, or a minute, an hour, a day, whatever comes out whole."""
    for unit, seconds in (("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)):
        if rate * seconds >= 1 and abs(rate * seconds - round(rate * seconds)) < 1e-9 * rate * seconds:
            return f"{round(rate * seconds)}/{unit}"
    return f"{rate:g}/s" if rate >= 1 else f"{rate * 86_400:.3g}/d"
