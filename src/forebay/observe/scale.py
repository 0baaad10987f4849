"""How many slots are wanted, from two readings of the system: what came in between them, what waits, what bounds it."""

from collections.abc import Sequence

from forebay.engine.contract import Depth
from forebay.flow.scale import Pull, Scale, scale, total
from forebay.model.gate import THROTTLE, Gate
from forebay.model.meter import Meter
from forebay.model.provider import APART, BREAKER, unkeyed
from forebay.observe.snapshot import Snapshot
from forebay.observe.why import waits_behind
from forebay.store.contract import Meters

#: Attempts that must have ended between two readings for their run time to count more than that of all before them.
ENOUGH = 20


async def bounds(meters: Meters, queues: Sequence[str]) -> dict[str, Meter]:
    """The meters of these queues, by queue; a queue that bounds nothing has none."""
    found = await meters.meters([f"queue:{queue}" for queue in queues])
    return {meter.name.removeprefix("queue:"): meter for meter in found}


def wanted(
    before: Snapshot, now: Snapshot, bound: dict[str, Meter], target: float, queues: Sequence[str] = ()
) -> list[Scale]:
    """What each queue wants, by name, and all together at the end under the name "".

    Args:
        bound: the meters of queues. target: seconds within which what waits is to be started.
        queues: only these; all if none is named.
    """
    old = {depth.queue: (depth, _held(depth, before.gates)[0]) for depth in before.queues}
    chosen = [depth for depth in now.queues if not queues or depth.queue in queues]
    passed = now.tick - before.tick
    each = [
        scale(_pull(old.get(depth.queue), depth, now, passed, bound.get(depth.queue)), target)
        for depth in sorted(chosen, key=lambda depth: depth.queue)
    ]
    names = {depth.queue for depth in chosen}
    slots = sum(worker.slots for worker in now.alive if names & set(worker.queues))
    return [*each, total(each, slots)]


def _pull(old: tuple[Depth, int] | None, now: Depth, seen: Snapshot, passed: float, bound: Meter | None) -> Pull:
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
        most=None if bound is None else bound.slots,
        rate=None if bound is None else bound.rate,
        why=why,
    )


def _held(depth: Depth, gates: Sequence[Gate]) -> tuple[int, str]:
    """How many wait for a gate or a meter of less than the queue, and the first reason."""
    held = depth.parked + sum(lane.ready for lane in depth.lanes if lane.lane and lane.why)
    mine = [gate for gate in gates if gate.queue in ("", depth.queue)] if depth.parked else []
    reasons = [_closed(one) for one in mine if one.lane is None or waits_behind(depth, one.lane)]
    reasons += [f"{lane.lane}: {lane.why}" for lane in depth.lanes if lane.lane and lane.ready and lane.why]
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
