"""Providers in numbers and words, for people and programs: how each stands, what waits for it, and why."""

from collections.abc import Mapping, Sequence

import msgspec

from forebay.engine.contract import Depth, Engine
from forebay.flow.breaker import told
from forebay.flow.capacity import lowered
from forebay.flow.grant import spent
from forebay.flow.lane import parts
from forebay.model.budget import Budget, named
from forebay.model.meter import Meter
from forebay.model.provider import METER, Provider, Stand, each, meter_of, of_each
from forebay.observe.keys import ShownKey, limited
from forebay.provider.steer import listed
from forebay.store.contract import Store


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A budget: how much of it is spent in the present window, and when that ends, seconds since the epoch."""

    budget: str
    amount: float
    spent: float
    until: float


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. Times are seconds since the epoch.

    Attributes:
        state: "closed", "open", "half-open", "ramp", "throttled", or "used up" if a budget is.
        until: when it may be asked again; None if that is not known, or it is asked now.
        slots: how many may run now; None for no bound.
        waiting: messages that are due and wait for it. parks: how often one was put back because of it.
        why: in words; "" if it is asked as usual, by as many as were declared.
        keys: those of its keys that hold up what waits for them, the deepest first. more_keys: how many others do.
    """

    name: str
    state: str
    since: float
    until: float | None
    why: str
    waiting: int
    running: int
    slots: int | None
    budgets: list[Spent]
    calls: int
    failures: int
    parks: int
    throttles: int
    keys: list[ShownKey] = []
    more_keys: int = 0


async def shown(engine: Engine, store: Store) -> list[Shown]:
    """All of them, by name."""
    found, now = await listed(store), await store.now()
    wanted = [name for one in found for name in (meter_of(one.name), *budgets_of(one))]
    meters = {meter.name: meter for meter in await store.meters(wanted)}
    depths = await engine.depth() if found else []
    keys = await limited(store, found, depths, now)
    rows: list[Shown] = []
    for one in found:
        meter = meters.get(meter_of(one.name))
        state, since, until = _state(one, now)
        rows.append(
            Shown(
                name=one.name, state=state, since=since,
                until=until, why=told(one, now) or lowered(one, now), waiting=_waiting(one, depths),
                running=0 if meter is None else meter.running, slots=None if meter is None else meter.slots,
                budgets=[_spent(one, budget, meters, now) for budget in one.terms.budgets],
                calls=one.calls, failures=one.failures, parks=one.parks, throttles=one.throttles,
                keys=keys[one.name].listed, more_keys=keys[one.name].more,
            )
        )  # fmt: skip
    return rows


def budgets_of(one: Provider) -> list[str]:
    """The names of the meters of its budgets."""
    return [named(meter_of(one.name), budget) for budget in one.terms.budgets]


def _state(one: Provider, now: float) -> tuple[str, float, float | None]:
    """How it stands, since when, and until when."""
    if one.throttled > now:
        return "throttled", one.since, max(one.throttled, one.spent)
    if one.spent > now and one.stand is not Stand.OPEN:
        return "used up", one.spent_at, one.spent
    return str(one.stand), one.since, one.until


def _spent(one: Provider, budget: Budget, meters: Mapping[str, Meter], now: float) -> Spent:
    meter = meters.get(named(meter_of(one.name), budget), Meter(name=""))
    until = (now // budget.window + 1) * budget.window
    return Spent(budget=str(budget), amount=budget.amount, spent=spent(meter, now), until=until)


def _waiting(one: Provider, depths: list[Depth]) -> int:
    name = meter_of(one.name)
    lanes = [lane for depth in depths for lane in depth.lanes if name in parts(lane.lane).meters]
    return sum(lane.ready + lane.parked for lane in lanes)


async def beside(store: Store, names: Sequence[str]) -> list[str]:
    """The meters of the budgets that stand beside these."""
    mine = [name for name in names if name.startswith(METER)]
    if not mine:
        return []
    found = await listed(store)
    own = [budget for one in found if meter_of(one.name) in mine for budget in budgets_of(one)]
    return own + [
        named(name, budget) for one in found for name in mine if of_each(name) == each(one.name)
        for budget in one.terms.key_budgets
    ]  # fmt: skip


async def fewer(store: Store, names: Sequence[str], now: float) -> dict[str, str]:
    """Of these meters, those of providers that take fewer calls than were declared: why, in words."""
    mine = [name for name in names if name.startswith(METER)]
    found = await listed(store) if mine else []
    return {meter_of(one.name): text for one in found if meter_of(one.name) in mine and (text := lowered(one, now))}
