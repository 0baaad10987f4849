"""Providers in numbers and words, for people and programs: how each stands, what waits for it, and why."""

import msgspec

from forebay.engine.contract import Depth, Engine
from forebay.flow.breaker import told
from forebay.flow.lane import parts
from forebay.model.provider import Provider, meter_of
from forebay.provider.steer import listed
from forebay.store.contract import Store


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. Times are seconds since the epoch.

    Attributes:
        state: "closed", "open", "half-open", "ramp", or "throttled".
        until: when it may be asked again; None if that is not known, or it is asked now.
        slots: how many may run now; None for no bound.
        waiting: messages that are due and wait for it. parks: how often one was put back because of it.
        why: in words; "" if it is asked as usual.
    """

    name: str
    state: str
    since: float
    until: float | None
    why: str
    waiting: int
    running: int
    slots: int | None
    calls: int
    failures: int
    parks: int
    throttles: int


async def shown(engine: Engine, store: Store) -> list[Shown]:
    """All of them, by name."""
    found, now = await listed(store), await store.now()
    meters = {meter.name: meter for meter in await store.meters([meter_of(one.name) for one in found])}
    depths = await engine.depth() if found else []
    rows: list[Shown] = []
    for one in found:
        meter, throttled = meters.get(meter_of(one.name)), one.throttled > now
        rows.append(
            Shown(
                name=one.name, state="throttled" if throttled else str(one.stand), since=one.since,
                until=one.throttled if throttled else one.until, why=told(one, now), waiting=_waiting(one, depths),
                running=0 if meter is None else meter.running, slots=None if meter is None else meter.slots,
                calls=one.calls, failures=one.failures, parks=one.parks, throttles=one.throttles,
            )
        )  # fmt: skip
    return rows


def _waiting(one: Provider, depths: list[Depth]) -> int:
    name = meter_of(one.name)
    lanes = [lane for depth in depths for lane in depth.lanes if name in parts(lane.lane).meters]
    return sum(lane.ready + lane.parked for lane in lanes)
