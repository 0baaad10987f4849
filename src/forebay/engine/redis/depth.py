"""Queues in numbers, from what `depth.lua` answers."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import msgspec

from forebay.engine.contract import Depth, LaneDepth
from forebay.engine.redis import forms
from forebay.engine.redis.leasing import SWEEP
from forebay.engine.redis.meters import meter_of
from forebay.engine.redis.talk import Batch, Reading
from forebay.flow.fair import SLOWLY
from forebay.flow.grant import grant, why
from forebay.flow.limit import Level, full_since
from forebay.model.meter import Meter
from forebay.model.queue import Limit

#: Where `lib/room.lua` keeps since when a queue has been full.
FULL = 4
_COUNTS = frozenset(
    {"scheduled", "running", "dead", "published", "done", "retried", "died", "cancelled", "expired", "discarded"}
)


def depths(batch: Batch, queues: Sequence[str] | None) -> Reading[list[Depth]]:
    """See `Engine.depth`."""
    call = batch.call("depth", 10 * SWEEP, "" if queues is None else "1", *(queues or ()))

    def read() -> list[Depth]:
        now, *rows = call.answer
        return [_depth(float(now), *row) for row in rows]

    return read


def _depth(now: float, name: bytes, cells: Sequence[bytes], *more: Any) -> Depth:
    ready, parked, oldest, held, paused, lanes = more
    numbers = dict(zip(map(forms.text, cells[::2]), cells[1::2], strict=True))
    counts: dict[str, Any] = {field: max(0, int(_number(n, 0))) for field, n in numbers.items() if field in _COUNTS}
    most, most_bytes, most_age = (_number(numbers.get(name, b""), -1) for name in ("most", "most_bytes", "most_age"))
    limit = Limit(
        messages=int(most) if most >= 0 else None, size=int(most_bytes) if most_bytes >= 0 else None,
        age=most_age if most_age >= 0 else None,
    )  # fmt: skip
    low = int(_number(numbers.get("low", b""), -1))
    reserved = limit.messages - low if limit.messages is not None and 0 <= low <= limit.messages else 0
    size = max(0, int(_number(numbers.get("bytes", b""), 0)))
    drain = _drain(numbers.get("drain", b"\x90"))
    waiting, age = ready + parked + counts.get("scheduled", 0), max(_age(now, oldest), _age(now, held))
    full = full_since(limit, drain[FULL] if len(drain) > FULL else 0.0, Level(waiting, size=size, age=age))
    return Depth(
        queue=forms.text(name), ready=ready, parked=parked, age=_age(now, oldest), held=_age(now, held),
        paused=bool(paused), seconds=_number(numbers.get("seconds", b""), 0.0),
        lanes=tuple(_lane(now, *lane) for lane in lanes), limit=limit.messages, limit_bytes=limit.size,
        size=size, reserved=reserved, full=full, **counts,
    )  # fmt: skip


def _number(cell: bytes, none: float) -> float:
    """What is no number, as somebody else wrote it, counts as `none`."""
    try:
        number = float(cell)
    except ValueError:
        return none
    return number if isfinite(number) else none


def _drain(packed: bytes) -> list[float]:
    try:
        return msgspec.msgpack.decode(packed, type=list[float])
    except msgspec.MsgspecError:
        return []


def _lane(now: float, name: bytes, ready: int, parked: int, running: int, *first: Any) -> LaneDepth:
    held, cost, packed, slow, waits = first
    meters, until = [meter_of(one) for one in packed], _number(waits, now)
    reasons = ["closed"] if held else [text for meter in meters if (text := why(meter, now, float(cost)))]
    reasons += [SLOWLY] if slow else []
    reasons += [f"an earlier one of it is tried again first, in {until - now:.3g} s"] if until > now else []
    again = _again(meters, now, float(cost)) if cost and not slow and not held else None
    return LaneDepth(
        lane=forms.text(name), ready=ready, running=running, parked=parked,
        go=None if again is None else max(again, until), why=reasons[0] if reasons else "",
    )  # fmt: skip


def _again(meters: Sequence[Meter], now: float, cost: float) -> float | None:
    """When the first of a lane may start, as far as meters go; None if that takes a free slot."""
    times: list[float] = []
    for meter in meters:
        answer = grant(meter, now, 1, cost)
        if answer.n == 0 and answer.again is None:
            return None
        times.append(now if answer.n else answer.again or now)
    return max(times, default=now)


def _age(now: float, since: bytes) -> float:
    return max(0.0, now - float(since)) if since else 0.0
