"""Gates: what is closed here yields no lease. What waits behind one is only seen as parked; it is not touched."""

import math
from typing import Any

import msgspec

from forebay.engine.redis.talk import Batch, Reading
from forebay.model.gate import Gate

_gate = msgspec.msgpack.Decoder(tuple[str, str | bool, str, float, str, float]).decode


def close(batch: Batch, gate: Gate) -> Reading[Any]:
    """See `Gates.close_gate`."""
    call = batch.call(
        "close_gate", _name(gate), gate.queue, "" if gate.lane is None else "1", gate.lane or "", gate.reason,
        gate.holder, -1 if gate.until is None else gate.until,
    )  # fmt: skip
    return lambda: call.answer


def open_(batch: Batch, gate: Gate) -> Reading[Any]:
    """See `Gates.open_gate`."""
    call = batch.call("open_gate", _name(gate), gate.queue)
    return lambda: call.answer


def closed(batch: Batch) -> Reading[list[Gate]]:
    """See `Gates.gates`."""
    call = batch.call("gates")
    return lambda: sorted(map(_read, call.answer), key=_order)


def _name(gate: Gate) -> bytes:
    """What it is about, and who holds it: no two gates have the same."""
    return msgspec.msgpack.encode((gate.queue, gate.lane, gate.holder))


def _read(packed: bytes) -> Gate:
    queue, lane, reason, since, holder, until = _gate(packed)
    return Gate(
        queue, lane if isinstance(lane, str) else None, reason, since, holder,
        None if until < 0 or math.isinf(until) else until,
    )  # fmt: skip


def _order(gate: Gate) -> tuple[str, bool, str, str]:
    return gate.queue, gate.lane is not None, gate.lane or "", gate.holder
