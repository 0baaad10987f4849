"""Carries out how fast tasks may go that feed a full queue: a meter for each, and a row that says whose it is.

A meter of that name that somebody else has put stays as it is: then gates alone hold the task.
"""

from collections import deque
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from forebay.flow.pace import ROW, Pace, Who
from forebay.flow.pressure import Level
from forebay.model.meter import Meter
from forebay.store.contract import Store
from forebay.store.records import Steered

#: How many have to leave a queue, and in how many seconds at the least and at the most, to know how fast it drains.
ENOUGH, SOON, LONG = 10, 1.0, 60.0

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Pace).decode

#: Paces as they were read, each with the generation of its row.
Paces = dict[Who, tuple[Pace, int]]


class Drains:
    """How fast queues drain, from what was seen of them here."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def see(self, levels: Mapping[str, Level], now: float) -> dict[str, float]:
        """Messages a second that leave each queue, where that is known."""
        self._seen = {queue: self._seen.get(queue, deque(maxlen=400)) for queue in levels}
        for queue, level in levels.items():
            seen = self._seen[queue]
            if seen and (now < seen[-1][0] or level.drained < seen[-1][1]):
                seen.clear()
            seen.append((now, level.drained))
        found = {queue: _rate(seen) for queue, seen in self._seen.items()}
        return {queue: rate for queue, rate in found.items() if rate is not None}


def _rate(seen: deque[tuple[float, int]]) -> float | None:
    now, drained = seen[-1]
    passed, left = 0.0, 0
    for at, n in reversed(seen):
        if now - at > LONG:
            break
        passed, left = now - at, drained - n
        if passed >= SOON and left >= ENOUGH:
            break
    return left / passed if passed >= SOON else None


def paces_of(rows: list[Steered]) -> Paces:
    """Those that stand in rows."""
    found = Paces()
    for row in rows:
        if row.name.startswith(ROW):
            queue, _, task = row.name.removeprefix(ROW).partition(":")
            try:
                found[queue, task] = _unpack(row.body), row.generation
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # another edition's
    return found


async def carry_out(store: Store, before: Paces, after: Mapping[Who, Pace]) -> None:
    """Have each go at its pace, and let those go whose pace has come to an end."""
    changed = [who for who in {**before, **after} if who not in before or before[who][0] != after.get(who)]
    if not changed:
        return
    meters = {meter.name: meter for meter in await store.meters([_meter(who) for who in changed])}
    for who in changed:
        meter = meters.get(_meter(who), Meter(name=_meter(who)))
        old, row = before.get(who, (None, 0))
        ours = not meter.generation or (old is not None and meter.generation in (old.meter, old.meter - 1))
        await _carry_out(store, who, after.get(who) if ours else None, (row, meter if ours else None))


async def _carry_out(store: Store, who: Who, pace: Pace | None, seen: tuple[int, Meter | None]) -> None:
    """One, by whoever is first to change its row. The meter is changed after it: it may be one change behind."""
    row, meter = seen
    if pace is None:
        if row and (await store.steer([_row(who, None, row)]))[0] and meter is not None and meter.generation:
            await store.drop_meters([meter.name])
        return
    assert meter is not None
    pace = replace(pace, meter=meter.generation + 1)
    put = Meter(name=meter.name, rate=pace.rate, generation=meter.generation)
    if (await store.steer([_row(who, pace, row)]))[0] and not (await store.put_meters([put]))[0]:
        await store.steer([_row(who, None, row + 1)])  # somebody else has put one meanwhile


def _row(who: Who, pace: Pace | None, generation: int) -> Steered:
    return Steered(name=f"{ROW}{who[0]}:{who[1]}", body=b"" if pace is None else _pack(pace), generation=generation)


def _meter(who: Who) -> str:
    return f"task:{who[0]}:{who[1]}"


async def let_go(store: Store) -> None:
    """Have nobody go at a pace any more."""
    await carry_out(store, paces_of(await store.steered()), {})
