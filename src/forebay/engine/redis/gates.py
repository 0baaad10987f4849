"""Gates: what is closed here yields no lease. What waits behind one is only seen as parked; it is not touched."""

from typing import Any

from forebay.engine.redis.forms import pack, read_gate
from forebay.engine.redis.talk import Batch, Reading
from forebay.model.gate import Gate


def close(batch: Batch, gate: Gate) -> Reading[Any]:
    """See `Gates.close_gate`."""
    until = -1.0 if gate.until is None else gate.until
    about = pack((gate.lane, gate.reason, gate.holder, until, gate.task, gate.key))
    call = batch.call("close_gate", _name(gate), gate.queue, about)
    return lambda: call.answer


def open_(batch: Batch, gate: Gate) -> Reading[Any]:
    """See `Gates.open_gate`."""
    call = batch.call("open_gate", _name(gate), gate.queue)
    return lambda: call.answer


def closed(batch: Batch) -> Reading[list[Gate]]:
    """See `Gates.gates`."""
    call = batch.call("gates")
    return lambda: sorted(map(read_gate, call.answer), key=Gate.order)


def _name(gate: Gate) -> str:
    """What it is about, and who holds it, as `lib/gates.lua` makes it too: no two gates have the same."""
    for kind, about in (("lane", gate.lane), ("task", gate.task), ("key", gate.key)):
        if about is not None:
            return f"{gate.queue}\0{kind}\0{about}\0{gate.holder}"
    return f"{gate.queue}\0\0\0{gate.holder}"
