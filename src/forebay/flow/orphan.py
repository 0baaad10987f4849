"""A provider that nobody looks after any more: whether it is one, and what is said of it. Pure.

The workers of an app that declares a provider look at it twice a second, so each of its times is acted on at once. One
that is long past was acted on by nobody: the app was deployed without the provider, or none of its workers runs.
"""

from forebay.flow.breaker import slots
from forebay.model.provider import Provider, Stand, Trip

#: Seconds past its time from which somebody else acts in its place: a deploy may stop all workers before it starts new
#: ones, and those look after it again.
SURE = 20.0
#: Seconds that it may stand half-way, beyond what each step may take.
HALF_WAY = 60.0


def orphaned(one: Provider, has: int | None, now: float) -> bool:
    """Whether what waits for it would wait for ever, or go by one after another, since nobody looks after it.

    Args:
        has: the slots of its meter.
    """
    due = _due(one, has, now)
    return due is not None and now > due + SURE


def _due(one: Provider, has: int | None, now: float) -> float | None:
    """When somebody who looks after it would have acted at the latest; None if there is nothing to do.

    One whose messages are ended, or run elsewhere, has slots for that.
    """
    if one.burying or one.diverted:
        return None
    trip = one.terms.breaker or Trip()
    match one.stand:
        case Stand.OPEN:
            return None if one.until is None else one.until + trip.open_for  # for what began before to end
        case Stand.HALF_OPEN:
            return one.since + trip.probe_timeout + HALF_WAY
        case Stand.RAMP:
            return one.since + one.terms.ramp + trip.window + HALF_WAY
        case Stand.CLOSED:
            return one.throttled if has == 0 and slots(one, now) != 0 else None
