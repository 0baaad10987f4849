"""How a provider stands once the store's clock was set back since that was written: for as long as it was to. Pure.

A pause of seconds would last for hours otherwise, a probe or a step on the way back would not count before the clock is
where it was. `flow.grant` does the same for meters.
"""

from msgspec.structs import replace

from forebay.flow.grant import set_back
from forebay.model.gate import Gate
from forebay.model.provider import Bucket, Capacity, Provider, SpentKey


def dated(one: Provider, now: float) -> Provider:
    """The same provider, with all that was written down as that much earlier as the clock is; windows of budgets stay.

    It was written at `one.at`, so the clock was set back by at least what that is ahead of `now`.
    """
    back = set_back(one.at, now)
    if not back:
        return one
    return replace(
        one, at=now, since=one.since - back, fence=one.fence - back, until=_earlier(one.until, back),
        probing=_earlier(one.probing, back), down=_earlier(one.down, back), throttled=max(0.0, one.throttled - back),
        spent_at=max(0.0, one.spent_at - back), keys=tuple(_key(entry, back) for entry in one.keys),
        buckets=tuple(Bucket(part.at - back, part.ok, part.failed, part.slow) for part in one.buckets),
        capacity=None if one.capacity is None else _capacity(one.capacity, back),
    )  # fmt: skip


def overlong(gate: Gate, now: float) -> float | None:
    """When a gate is to open that was closed before the clock was set back; None if it opens in time."""
    back = set_back(gate.since, now)
    return gate.until - back if back and gate.until is not None else None


def _earlier(time: float | None, back: float) -> float | None:
    return None if time is None else time - back


def _key(entry: SpentKey, back: float) -> SpentKey:
    return replace(entry, at=entry.at - back, throttled=max(0.0, entry.throttled - back))


def _capacity(one: Capacity, back: float) -> Capacity:
    return replace(one, since=one.since - back, fence=one.fence - back, lowered=one.lowered - back, at=one.at - back)
