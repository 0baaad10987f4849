"""Carries out how fast tasks may go that feed a full queue: a meter for each, and a row that says whose it is.

A meter of that name that somebody else has put stays as it is: then gates alone hold the task.
"""

from collections.abc import Mapping

import msgspec

from forebay.flow.pace import ROW, Pace, Paces, Who, paces_of
from forebay.model.meter import Meter
from forebay.store.contract import Store
from forebay.store.records import Steered

#: Slots by which a meter is known to be of pressure, for meters have no holders as gates have. It bounds nothing.
MINE = 1_999_999_999

_pack = msgspec.msgpack.Encoder().encode


async def carry_out(store: Store, before: Paces, after: Mapping[Who, Pace]) -> None:
    """Have each go at its pace, and let those go whose pace has come to an end."""
    changed = [who for who in {**before, **after} if who not in before or before[who][0] != after.get(who)]
    if not changed:
        return
    meters = {meter.name: meter for meter in await store.meters([_meter(who) for who in changed])}
    for who in changed:
        meter, row = meters.get(_meter(who)), before[who][1] if who in before else 0
        if meter is not None and meter.slots != MINE:
            await _let_go(store, who, row, None)
        elif (pace := after.get(who)) is None:
            await _let_go(store, who, row, meter)
        elif (await store.steer([_row(who, pace, row)]))[0]:
            generation = 0 if meter is None else meter.generation
            await store.put_meters([Meter(name=_meter(who), rate=pace.rate, slots=MINE, generation=generation)])


async def _let_go(store: Store, who: Who, row: int, meter: Meter | None) -> None:
    """No meter, then no row: whoever dies in between leaves no meter that nobody knows of."""
    if meter is not None:
        await store.drop_meters([meter.name])
    if row:
        await store.steer([_row(who, None, row)])


def _row(who: Who, pace: Pace | None, generation: int) -> Steered:
    return Steered(name=f"{ROW}{who[0]}:{who[1]}", body=b"" if pace is None else _pack(pace), generation=generation)


def _meter(who: Who) -> str:
    return f"task:{who[0]}:{who[1]}"


async def let_go(store: Store) -> None:
    """Have nobody go at a pace any more."""
    await carry_out(store, paces_of(await store.steered()), {})
