"""Keys of a provider that are not to be asked for long, and whether its fallback runs what waits for them.

Pure. A provider as a whole is `flow.breaker`'s; here each key is judged by the meters of its own budgets, and by what
it was told itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from forebay.flow.breaker import USED_UP
from forebay.flow.budget import KNOWN, used_up
from forebay.flow.lane import parts
from forebay.model.budget import Budget, named
from forebay.model.duration import span
from forebay.model.meter import Meter
from forebay.model.provider import Call, Provider, SpentKey, key_in, keyed, meter_of, unkeyed

#: Keys of one provider whose work goes elsewhere at a time: they stand in its row, which all workers read.
MOST = 200


def waiting(one: str, lanes: Iterable[str]) -> list[str]:
    """The keys of a provider for which messages wait in these lanes."""
    mine = meter_of(one)
    meters = (name for lane in lanes for name in parts(lane).meters if unkeyed(name) == mine)
    return sorted({key for name in meters if (key := key_in(name))})


def meters(one: str, budgets: Iterable[Budget], keys: Iterable[str]) -> list[str]:
    """The names of the meters of the budgets of these keys."""
    told = list(budgets)
    return [named(keyed(meter_of(one), key), budget) for key in keys for budget in told]


class Asked(NamedTuple):
    """Until when a key was told to wait, and in which words."""

    until: float = 0.0
    why: str = ""


def asked(calls: Sequence[Call]) -> dict[str, Asked]:
    """What keys were told by these calls; of several answers the one that waits longest."""
    told = sorted((call.key, call.until, call.reason) for call in calls if call.key and call.until is not None)
    return {key: Asked(until, why) for key, until, why in told}


def spent(
    one: Provider, keys: Iterable[str], there: Mapping[str, Meter], told: Mapping[str, Asked], now: float, *,
    diverts: bool,
) -> Provider:  # fmt: skip
    """The same provider, with what is known of its keys.

    Args:
        keys: those that were looked at. there: the meters of their budgets. told: what they were told just now.
        diverts: its fallback could run what waits for them.
    """
    if one.diverted:  # all of its work goes elsewhere, and nothing is counted
        return one
    known = {entry.key: entry for entry in one.keys}
    looked = {key: _asked(known.get(key), told.get(key), now) for key in sorted({*keys, *known, *told})}
    after = [found for key, word in looked.items() if (found := _found(one, key, known.get(key), word, there, now))]
    after = sorted(after, key=lambda entry: (entry.key not in known, entry.key))[:MOST]
    rows = tuple(
        replace(entry, diverted=diverts and now - entry.at >= KNOWN) for entry in sorted(after, key=lambda one: one.key)
    )
    return one if rows == one.keys else replace(one, keys=rows)


def _asked(before: SpentKey | None, word: Asked | None, now: float) -> Asked:
    """What still holds of what a key was told, now and before."""
    last = max(word or Asked(), Asked() if before is None else Asked(before.throttled, before.throttle))
    return last if last.until > now else Asked()


def _found(  # noqa: PLR0917
    one: Provider, key: str, before: SpentKey | None, word: Asked, there: Mapping[str, Meter], now: float
) -> SpentKey | None:
    """What is known of a key; None if it is to wait for a while at the most, and nothing of it is lifted."""
    after, beside = one.terms.fallback_after, keyed(meter_of(one.name), key)
    used = used_up(beside, one.terms.key_budgets, there, now)
    until = max(used.until, word.until)
    if after is not None and until - now > (0.0 if before is not None else max(after, KNOWN)):
        at = now if before is None else before.at
        return SpentKey(key, until, used.budget, at, throttled=word.until, throttle=word.why)
    if before is not None and any(lifted(one, before.key, there, now)):
        return before
    return None


def lifted(one: Provider, key: str, there: Mapping[str, Meter], now: float) -> Iterable[tuple[Meter | None, Meter]]:
    """The budgets of a key that have a meter of their own, or are to have: what it is to be (None: gone), and is.

    A budget that is used up lets all through while the key's work goes elsewhere; it forgets nothing.
    """
    entry, beside = next((entry for entry in one.keys if entry.key == key), None), keyed(meter_of(one.name), key)
    for budget in one.terms.key_budgets:
        meter = there.get(named(beside, budget))
        if meter is None:
            continue
        used = bool(used_up(beside, [budget], there, now).until)
        goes = entry is not None and entry.diverted and used
        if goes or meter.generation:
            rate = None if goes else budget.amount / budget.window
            wanted = Meter(name=meter.name, rate=rate, burst=budget.amount, generation=meter.generation)
            yield wanted if used else None, meter


def told(one: Provider, entry: SpentKey, now: float) -> str:
    """Why nothing is asked of a provider with this key, in words."""
    return f"key {entry.key} of provider {one.name} {why(entry, now)}"


def why(entry: SpentKey, now: float) -> str:
    """What is the matter with a key, in words."""
    left, elsewhere = span(entry.until - now), "; the fallback of its provider runs what waits" * entry.diverted
    if entry.throttled >= entry.until:
        said = f": {entry.throttle}" if entry.throttle else ""
        return f"was told to wait, for another {left}{said}{elsewhere}"
    return f"{USED_UP} of {entry.budget}; the next one begins in {left}{elsewhere}"
