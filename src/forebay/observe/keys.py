"""Keys of providers for which something waits and may not start: which, why, and until when.

Known by the lanes that queues list, the deepest of each (`engine.contract.SHOWN_LANES`): a key for which nothing waits
is in nobody's way. The words are the scheduler's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from forebay.engine.contract import Depth
from forebay.flow.grant import grant, why
from forebay.flow.lane import parts
from forebay.flow.spent import meters as budgets_of
from forebay.flow.spent import waiting
from forebay.flow.spent import why as why_not
from forebay.model.gate import Gate
from forebay.model.meter import Meter
from forebay.model.provider import Provider, key_in, keyed, meter_of, unkeyed
from forebay.store.contract import Store

#: Keys of one provider that are listed, the deepest first; the others are counted.
MOST = 100


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that holds up what waits for it.

    Attributes:
        why: in words. until: when it may be asked again, seconds since the epoch; None if that takes a free slot.
        waiting: messages that wait for it, due ones.
    """

    key: str
    why: str
    until: float | None
    waiting: int


class Keys(NamedTuple):
    """Of one provider: those that are listed, and how many more there are."""

    listed: list[ShownKey]
    more: int


async def limited(store: Store, providers: Sequence[Provider], depths: Sequence[Depth], now: float) -> dict[str, Keys]:
    """Of each provider, by name, the keys that hold up what waits for them."""
    lanes = [lane for depth in depths for lane in depth.lanes if lane.ready or lane.parked]
    named = {one.name: waiting(one.name, [lane.lane for lane in lanes]) for one in providers}
    names = [name for one in providers for name in _meters(one, named[one.name])]
    meters = {meter.name: meter for meter in await store.meters(names)} if names else {}
    gates = [gate for gate in await store.gates() if key_in(gate.lane or "")] if any(named.values()) else []
    found: dict[str, Keys] = {}
    for one in providers:
        keys = [(key, _said(one, key, meters, gates, now)) for key in named[one.name]]
        counts = _waiting(one, depths)
        rows = [ShownKey(key=key, why=said[1], until=said[0], waiting=counts.get(key, 0)) for key, said in keys if said]
        rows.sort(key=lambda row: (-row.waiting, row.key))
        found[one.name] = Keys(rows[:MOST], len(rows[MOST:]))
    return found


def _meters(one: Provider, keys: Sequence[str]) -> list[str]:
    """All that these keys pass."""
    own = [keyed(meter_of(one.name), key) for key in keys]
    return [*own, *budgets_of(one.name, one.terms.key_budgets, keys)] if one.terms.keyed else []


def _said(
    one: Provider, key: str, meters: Mapping[str, Meter], gates: Iterable[Gate], now: float
) -> tuple[float | None, str] | None:
    """Until when nothing is asked with this key, and why; None if it is."""
    if entry := next((entry for entry in one.keys if entry.key == key and entry.until > now), None):
        return entry.until, why_not(entry, now)
    for gate in gates:
        if any(keyed(place.lane, key) == gate.lane and place.queue == gate.queue for place in one.places):
            return gate.until, f"was told to wait: {gate.reason}" if gate.reason else "was told to wait"
    there = [meters[name] for name in _meters(one, [key]) if name in meters]
    shut = [(grant(meter, now, 1).again, text) for meter in there if (text := why(meter, now))]
    return max(shut, key=lambda pair: pair[0] or now, default=None)


def _waiting(one: Provider, depths: Iterable[Depth]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for lane in (lane for depth in depths for lane in depth.lanes):
        for name in parts(lane.lane).meters:
            if unkeyed(name) == meter_of(one.name) and (key := key_in(name)):
                counts[key] = counts.get(key, 0) + lane.ready + lane.parked
    return counts


def told(keys: Sequence[ShownKey], more: int, few: int = 3) -> str:
    """A few of them in a line, and how many others there are; "" if there are none."""
    lines = [f"key {one.key}: {one.why}" for one in keys[:few]]
    rest = len(keys[few:]) + more
    return "; ".join([*lines, *([f"and {rest:,} more {'key' if rest == 1 else 'keys'}"] if rest else [])])
