"""How many slots are wanted, from two readings of the system: what came in between them, what waits, what bounds it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from forebay.engine.contract import Depth, LaneDepth
from forebay.flow.lane import parts, passes, shown
from forebay.flow.scale import Part, Pull, Scale, scale, total
from forebay.model.gate import THROTTLE, Gate
from forebay.model.meter import Meter
from forebay.model.provider import APART, BREAKER, key_in, unkeyed
from forebay.observe.snapshot import Snapshot
from forebay.observe.why import waits_behind
from forebay.store.contract import Meters

#: Attempts that must have ended between two readings for their run time to count more than that of all before them.
ENOUGH = 20


class Bound(NamedTuple):
    """What bounds a queue: its own meter, and parts of what waits in it for a slot."""

    own: Meter | None = None
    parts: tuple[Part, ...] = ()


async def bounds(meters: Meters, depths: Sequence[Depth]) -> dict[str, Bound]:
    """What bounds these queues, by name."""
    free = {one.queue: [lane for lane in one.lanes if lane.lane and lane.ready and not lane.why] for one in depths}
    names = [f"queue:{queue}" for queue in free]
    names += [name for queue, lanes in free.items() for lane in lanes for name in _passed(queue, lane)]
    found = {meter.name: meter for meter in await meters.meters(names)}
    return {queue: Bound(found.get(f"queue:{queue}"), _parts(queue, lanes, found)) for queue, lanes in free.items()}


def _passed(queue: str, lane: LaneDepth) -> list[str]:
    """The meters that what waits in a lane passes, but for that of its queue."""
    told = parts(lane.lane)
    return passes(queue, lane.lane, told.task or "", told.key)[1:]


def _parts(queue: str, lanes: Sequence[LaneDepth], found: Mapping[str, Meter]) -> tuple[Part, ...]:
    """Lanes that pass one shared meter, a provider's or a rule's, are one part; those of keys are one each."""
    several = dict[str, Part]()
    for lane in lanes:
        mine = [found[name] for name in _passed(queue, lane) if name in found]
        shared = next((one for one in mine if _is_shared(one, lane)), None)
        name, of = (lane.lane, "its keys") if shared is None else (shared.name, shared.name.replace(":", " ", 1))
        before = several.get(name, Part(of=of, ready=0))
        part = _bounded(before, lane, mine if shared is None else [shared])
        if part.room < math.inf or part.rate < math.inf:
            several[name] = part
    return tuple(several.values())


def _bounded(before: Part, lane: LaneDepth, meters: Sequence[Meter]) -> Part:
    room = [max(0.0, meter.slots - meter.running) for meter in meters if meter.slots is not None]
    rates = [meter.rate for meter in meters if meter.rate]
    return Part(
        of=before.of,
        ready=before.ready + lane.ready,
        running=before.running + lane.running,
        room=min(room, default=math.inf),
        rate=min(rates, default=math.inf),
    )


def _is_shared(meter: Meter, lane: LaneDepth) -> bool:
    """Whether it bounds more than this lane."""
    bounds_some = meter.slots is not None or meter.rate is not None
    return bounds_some and meter.name in parts(lane.lane).meters and not key_in(meter.name)


def wanted(
    before: Snapshot, now: Snapshot, bound: Mapping[str, Bound], target: float, queues: Sequence[str] = ()
) -> list[Scale]:
    """What each queue wants, by name, and all together at the end under the name "".

    Args:
        bound: what bounds queues. target: seconds within which what waits is to be started.
        queues: only these; all if none is named.
    """
    old = {depth.queue: (depth, _held(depth, before.gates)[0]) for depth in before.queues}
    chosen = [depth for depth in now.queues if not queues or depth.queue in queues]
    passed = now.tick - before.tick
    each = [
        scale(_pull(old.get(depth.queue), depth, now, passed, bound.get(depth.queue, Bound())), target)
        for depth in sorted(chosen, key=lambda depth: depth.queue)
    ]
    names = {depth.queue for depth in chosen}
    slots = sum(worker.slots for worker in now.alive if names & set(worker.queues))
    return [*each, total(each, slots)]


def _pull(old: tuple[Depth, int] | None, now: Depth, seen: Snapshot, passed: float, bound: Bound) -> Pull:
    held, why = _held(now, seen.gates)
    before, held_before = old or (now, held)
    came = now.published - before.published - max(0, held - held_before)  # what came and is held wants no slot
    return Pull(
        queue=now.queue,
        ready=max(0, now.ready + now.parked - held),
        held=held,
        running=now.running,
        slots=sum(worker.slots for worker in seen.serving(now.queue)),
        lowered=sum(worker.slots - worker.concurrency for worker in seen.serving(now.queue)),
        age=now.age,
        mean=_mean(before, now),
        arrivals=max(0, came) / passed if passed > 0 else 0.0,
        most=None if bound.own is None else bound.own.slots,
        rate=None if bound.own is None else bound.own.rate,
        parts=bound.parts,
        why=why,
    )


def _held(depth: Depth, gates: Sequence[Gate]) -> tuple[int, str]:
    """How many wait for a gate or a meter of less than the queue, and the first reason."""
    held = depth.parked + sum(lane.ready for lane in depth.lanes if lane.lane and lane.why)
    mine = [gate for gate in gates if gate.queue in ("", depth.queue)] if depth.parked else []
    reasons = [_closed(one) for one in mine if one.lane is None or waits_behind(depth, one.lane)]
    reasons += [
        f"limit of {shown(lane.lane)}: {lane.why}" for lane in depth.lanes if lane.lane and lane.ready and lane.why
    ]
    return min(held, depth.ready + depth.parked), reasons[0] if reasons else "a closed gate"


def _closed(gate: Gate) -> str:
    if gate.lane is not None and gate.holder in (BREAKER, THROTTLE):
        return f"waits for provider {unkeyed(gate.lane).removesuffix(APART)}"
    return f"closed by {gate.holder}"


def _mean(before: Depth, now: Depth) -> float | None:
    """Seconds of run time of an attempt: of those that ended between the readings, if they are enough, or of all."""
    ended = _ended(now)
    lately = ended - _ended(before)
    if lately >= ENOUGH:
        return max(0.0, now.seconds - before.seconds) / lately
    return now.seconds / ended if ended else None


def _ended(depth: Depth) -> int:
    return depth.done + depth.retried + depth.died
