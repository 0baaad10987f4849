"""How providers stand, in the store: read, decided by `flow.breaker`, written by compare-and-set, and carried out.

No leader: whoever reads a row may decide by it, and of several who do one is first. What a row means for the engine is
two things: the slots of the provider's meter, which hold in every queue at once, and gates on the lanes that its
messages are known to wait in, so that they are seen as parked. Whoever finds them otherwise puts them right.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from forebay.flow.breaker import probe_of, sent, slots
from forebay.flow.budget import KNOWN
from forebay.flow.budget import meter_of as budget_meter
from forebay.flow.dated import dated, overlong
from forebay.flow.spent import lifted as lifted_of
from forebay.model.budget import payer
from forebay.model.errors import EngineError
from forebay.model.gate import THROTTLE, Gate
from forebay.model.meter import Meter
from forebay.model.provider import (
    BREAKER,
    METER,
    Place,
    Provider,
    Stand,
    Terms,
    each,
    key_in,
    keyed,
    meter_of,
    of_lane,
    unkeyed,
)
from forebay.store.contract import Store
from forebay.store.records import Steered

#: From a row as it stands (None: there is none), the time, and how it is used, to the row as it is to be.
Decide = Callable[[Provider | None, float, "Used"], Provider | None]
#: Readings of a row that others have changed meanwhile, until somebody else is left to decide.
TRIES = 20
#: Seconds until a key that was told to wait goes elsewhere, if it does.
SETTLED = 2 * KNOWN
#: Seconds by which the ends of two gates may differ.
_SAME = 0.001

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Provider).decode


class Used(NamedTuple):
    """What runs of a provider's messages, and whether a probe has started, if it is being probed."""

    running: int
    sent: bool


class Seen(NamedTuple):
    """A provider as it was read.

    Attributes:
        provider: None if there is no row of it, or none that can be read.
        generation: of its row; 0 if there is none.
        meter: as it was just before. probe: what lets one probe through, likewise.
        budgets: the meters of its budgets, and what is said of each of its keys, and of some of them, as far as they
            were asked for.
    """

    provider: Provider | None
    generation: int
    meter: Meter
    probe: Meter
    budgets: Mapping[str, Meter] = MappingProxyType({})

    def used(self, now: float) -> Used:
        """How it is used."""
        return Used(self.meter.running, sent(self.probe, now))


async def listed(store: Store) -> list[Provider]:
    """All that there are, by name."""
    rows = [row for row in await store.steered() if row.name.startswith(METER)]
    return [provider for row in rows if (provider := _read(row)) is not None]


async def look(store: Store, names: Sequence[str], budgets: Sequence[str] = ()) -> dict[str, Seen]:
    """How these stand; `budgets` are names of meters that are looked at as well.

    Meters are read first: who has read an older row has then read an older meter, and changes neither.
    """
    keys = {meter_of(name): name for name in names}
    probes = {name: probe_of(name).name for name in names}
    meters = {meter.name: meter for meter in await store.meters([*keys, *probes.values(), *budgets])}
    rows = {row.name: row for row in await store.steered([*keys])}
    return {
        name: Seen(
            None if key not in rows else _read(rows[key]),
            0 if key not in rows else rows[key].generation,
            meters.get(key, Meter(name=key)),
            meters.get(probes[name], Meter(name=probes[name])),
            {one: meters.get(one, Meter(name=one)) for one in budgets if unkeyed(payer(one)) == key},
        )
        for key, name in keys.items()
    }


async def change(
    store: Store, name: str, decide: Decide, seen: Seen | None = None, *, anew: bool = False
) -> Provider | None:
    """Change how one stands, and carry it out; what stands then.

    Args:
        seen: as it was read just now.
        anew: see `carry_out`.

    Raises:
        EngineError: others change it all the time.
    """
    budgets: list[str] = []
    for _ in range(TRIES):
        seen = (await look(store, [name], budgets))[name] if seen is None else seen
        budgets = list(seen.budgets)
        now = await store.now()
        after = decide(None if seen.provider is None else dated(seen.provider, now), now, seen.used(now))
        if after is None:
            return None
        if after != seen.provider:
            after = replace(after, at=now)
        row = Steered(name=meter_of(name), body=_pack(after), generation=seen.generation)
        if after == seen.provider or (await store.steer([row]))[0]:
            await carry_out(store, after, seen, now, anew=anew)
            return after
        seen = None
    raise EngineError(f"provider {name}: others change it all the time; try again")


async def carry_out(store: Store, one: Provider, seen: Seen, now: float, *, anew: bool = False) -> None:
    """Give its meter the slots and its lanes the gates that it is to have; costs nothing where it has them.

    Args:
        anew: look at the gates whether or not something has changed.
    """
    terms, meter = one.terms, seen.meter
    put = Meter(name=meter.name, rate=terms.rate, burst=terms.burst, slots=slots(one, now), generation=meter.generation)
    probed = one.stand is Stand.HALF_OPEN
    puts = [probe_of(one.name)] if probed and not seen.probe.generation else []
    if not meter.generation or (meter.rate, meter.burst, meter.slots) != (put.rate, put.burst, put.slots):
        puts.append(put)
    if puts:
        await store.put_meters(puts)
    if seen.probe.generation and not probed:
        await store.drop_meters([seen.probe.name])
    elif seen.probe.generation and seen.provider is not None and seen.provider.probes < one.probes:
        await store.charge_meter(seen.probe.name, -1.0, -1)  # the one that was sent has said nothing
    await _carry_out_beside(store, one, seen, now)
    before = seen.provider
    if one.keys and (anew or before is None or _elsewhere(before) != _elsewhere(one)):
        await _shut_keys(store, one, now)
    if anew or one.shut(now) or before is None or before.shut(now) or before.stand is not one.stand:
        await _shut(store, one, now)


def beside(one: str, terms: Terms, *, lifted: bool = False) -> list[Meter]:
    """The meters of a provider beside its own: of its budgets, and what is said of each of its keys.

    Args:
        lifted: what goes elsewhere passes its budgets, and is not counted.
    """
    found = [budget_meter(meter_of(one), budget, lifted=lifted) for budget in terms.budgets]
    if terms.keyed:
        found.append(Meter(name=each(one), rate=terms.key_rate, burst=terms.key_burst, slots=terms.key_concurrency))
        found += [budget_meter(each(one), budget, lifted=lifted) for budget in terms.key_budgets]
    return found


async def _carry_out_beside(store: Store, one: Provider, seen: Seen, now: float) -> None:
    wanted = [
        (put, there)
        for put in beside(one.name, one.terms, lifted=one.diverted)
        if (there := seen.budgets.get(put.name)) is not None
    ]
    puts = [
        replace(put, generation=there.generation)
        for put, there in wanted
        if not there.generation or (there.rate, there.burst, there.slots) != (put.rate, put.burst, put.slots)
    ]
    if puts:
        await store.put_meters(puts)
    if one.keys and not one.diverted:
        await _carry_out_keys(store, one, seen, now)


async def _carry_out_keys(store: Store, one: Provider, seen: Seen, now: float) -> None:
    """Let what waits for keys that are used up pass their budgets while it goes elsewhere, and no longer."""
    found = [pair for entry in one.keys for pair in lifted_of(one, entry.key, seen.budgets, now)]
    puts = [put for put, there in found if put is not None and (put.rate, put.burst) != (there.rate, there.burst)]
    gone = [there.name for put, there in found if put is None]
    if puts:
        await store.put_meters(puts)
    if gone:
        await store.drop_meters(gone)


async def _shut(store: Store, one: Provider, now: float) -> None:
    await _shorten(store, one, now)
    closed = {(gate.queue, gate.lane, gate.holder): gate for gate in await store.gates() if gate.lane is not None}
    down = one.stand is Stand.OPEN and not (one.burying or one.diverted)
    for place in one.places:
        until = one.until if one.until is None or one.until > now else now + 1.0
        await _gate(store, closed.get((place.queue, place.lane, BREAKER)), place, BREAKER, one.reason, down, until)
        if one.diverted:
            asked = closed.get((place.queue, place.lane, THROTTLE))
            await _gate(store, asked, place, THROTTLE, one.throttle, False, None)
        elif one.throttled > now:
            asked = closed.get((place.queue, place.lane, THROTTLE))
            if asked is None or (asked.until is not None and asked.until < one.throttled - _SAME):
                await store.close_gate(place.queue, place.lane, one.throttle, THROTTLE, one.throttled)


async def _shorten(store: Store, one: Provider, now: float) -> None:
    """Gates that it has asked for, and those of its keys, last no longer because the clock was set back meanwhile."""
    mine = [gate for gate in await store.gates() if gate.holder == THROTTLE and of_lane(gate.lane or "") == one.name]
    for gate in mine:
        if (until := overlong(gate, now)) is not None:
            await store.open_gate(gate.queue, gate.lane, THROTTLE)  # one that stays closed keeps its time
            if until > now:
                await store.close_gate(gate.queue, gate.lane, gate.reason, THROTTLE, until)


async def _gate(  # noqa: PLR0917
    store: Store, there: Gate | None, place: Place, holder: str, reason: str, closed: bool, until: float | None
) -> None:
    if not closed:
        if there is not None:
            await store.open_gate(place.queue, place.lane, holder)
    elif there is None or there.reason != reason or not _alike(there.until, until):
        await store.close_gate(place.queue, place.lane, reason, holder, until)


def _alike(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else abs(one - other) < 1.0


def _elsewhere(one: Provider) -> frozenset[str]:
    """The keys that were told to wait, and whose work goes elsewhere."""
    return frozenset(entry.key for entry in one.keys if entry.throttled and (entry.diverted or one.diverted))


async def _shut_keys(store: Store, one: Provider, now: float) -> None:
    """Open the gates of keys that were told to wait while their work goes elsewhere; close them if it no longer can."""
    shut = {(gate.queue, gate.lane) for gate in await store.gates() if gate.holder == THROTTLE}
    elsewhere = _elsewhere(one)
    for entry in [entry for entry in one.keys if entry.throttled > now]:
        for place in one.places:
            lane = keyed(place.lane, entry.key)
            if entry.key in elsewhere and (place.queue, lane) in shut:
                await store.open_gate(place.queue, lane, THROTTLE)
            elif entry.key not in elsewhere and now - entry.at > SETTLED and (place.queue, lane) not in shut:
                reason = f"provider {one.name} asked to wait: {entry.throttle}"
                await store.close_gate(place.queue, lane, reason, THROTTLE, entry.throttled)


async def let_go(store: Store, one: Provider, *, keys: bool = False) -> None:
    """Open the gates that it has asked for itself, and those of its keys if they are meant: somebody knows better."""
    for place in one.places:
        await store.open_gate(place.queue, place.lane, THROTTLE)
    for gate in await store.gates() if keys else ():
        if gate.holder == THROTTLE and of_lane(gate.lane or "") == one.name and key_in(gate.lane or ""):
            await store.open_gate(gate.queue, gate.lane, THROTTLE)


def _read(row: Steered) -> Provider | None:
    try:
        return _unpack(row.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # another edition's; who declares it next writes it anew
