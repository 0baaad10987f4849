"""The facts behind a question: why does this message wait, what holds up this queue? `flow/explain.py` answers."""

from collections import Counter
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from forebay.engine.contract import SHOWN_LANES, Depth, Engine
from forebay.flow.breaker import told
from forebay.flow.explain import Closed, Limit, Numbers, Place, Reason, Server, Subject, explain, explain_queue, root
from forebay.flow.grant import why
from forebay.flow.lane import owned, parts, passes, shown
from forebay.flow.pace import paces_of
from forebay.flow.pressure import held_for, stage_of
from forebay.model.budget import payer
from forebay.model.gate import OPERATOR, Gate
from forebay.model.lifecycle import State
from forebay.model.outcome import SNOOZED
from forebay.model.provider import Provider, lane_of, of_each, unkeyed
from forebay.model.rule import taken_back
from forebay.model.topology import PRESSURE, ROW
from forebay.observe.providers import beside, fewer
from forebay.observe.snapshot import Snapshot, patience, proof_age, take
from forebay.observe.ticket import Recent, Stand
from forebay.provider.steer import listed
from forebay.store.contract import Store
from forebay.store.records import AuditLine, Found, Query, WorkerRow, paused_by

#: Scheduled messages of a queue, and lines of the audit, that are looked at.
_SAMPLE, _AUDITS = 200, 500
#: Lanes that are told of a queue.
_LANES = 3


async def why_message(
    engine: Engine, store: Store, found: Found, *, lease: float, app: str, attempts: int | None = None
) -> list[Reason]:
    """Why a message is where it is.

    Args:
        lease: seconds that a lease holds, from the settings.
        app: the app's locator, for the advice.
        attempts: how many its task has, if that is known.
    """
    now, audits = await take(engine, store), await store.audits(_AUDITS)
    names = passes(found.queue, owned(found.lane), found.task, found.key)
    limits = await limited(store, names, now.at) or _in_lane(now, found)
    held = await held_by(store, now.at, found.lane)
    told_of = {f"provider {name}" for name, _ in held}
    limits = [limit for limit in limits if limit.of not in told_of]
    around = replace(place(now, found.queue, audits, lease=lease, app=app), limits=limits, providers=held)
    around = replace(
        around, paced=await paced(store, found.queue), root=await _root(store, now, found.queue, lease, app)
    )
    stand = Stand(engine, store, Recent(), lease)
    waits = found.state in (State.READY, State.PARKED, State.SCHEDULED)
    ahead, eta = (await stand.position(found) or 0, await stand.eta(found)) if waits else (0, None)
    holder = next((_server(row, lease) for row in now.alive if row.worker == found.worker), None)
    subject = Subject(
        id=found.id, state=found.state, task=found.task, lane=found.lane, key=found.key, attempt=found.attempt,
        attempts=attempts, due=found.due, started=found.started, finished=found.finished, worker=found.worker,
        holder=holder, cause=found.cause, failure=str(found.failure or ""), ahead=ahead, eta=eta,
        expires=found.expires,
    )  # fmt: skip
    return explain(subject, around)


async def why_queue(engine: Engine, store: Store, depth: Depth, *, lease: float, app: str) -> list[Reason]:
    """What holds up a queue; see `why_message`."""
    now, audits = await take(engine, store), await store.audits(_AUDITS)
    causes = await handed_back(store, depth) if depth.scheduled else []
    limits = await limited(store, [f"queue:{depth.queue}"], now.at)
    limits += [
        Limit(of=shown(lane.lane), why=lane.why) for lane in depth.lanes if lane.lane and lane.ready and lane.why
    ][:_LANES]
    around = replace(place(now, depth.queue, audits, lease=lease, app=app), limits=limits)
    seen = await seen_lanes(store, depth)
    gates = [gate for gate in around.gates if gate.lane is None or waits_behind(depth, gate.lane, seen)]
    held = [(one.name, told(one, now.at)) for one in await listed(store) if _wanted(one, depth, seen)]
    held = [(name, text) for name, text in held if text]
    told_of = {f"provider {name}" for name, _ in held}
    limits = [limit for limit in limits if limit.of.partition(", ")[0] not in told_of]
    around = replace(around, gates=gates, limits=limits, providers=held, paced=await paced(store, depth.queue))
    around = replace(around, root=await _root(store, now, depth.queue, lease, app))
    return explain_queue(numbers(depth, causes), around)


async def _root(store: Store, now: Snapshot, queue: str, lease: float, app: str) -> tuple[str, str]:
    """Where the chain ends whose pressure holds this queue, and what holds it up there; "" twice if nothing does."""
    if not any(gate.holder == PRESSURE and gate.queue == queue for gate in now.gates):
        return "", ""
    rows, providers = await store.steered(), await listed(store)
    stages = [stage for row in rows if row.name.startswith(ROW) and (stage := stage_of(row.body)) is not None]
    end = held_for(queue, stages, {gate.queue for gate in now.gates if gate.holder == PRESSURE})
    depth = next((one for one in now.queues if one.queue == end), None)
    if depth is None or end == queue:
        return "", ""
    seen = await seen_lanes(store, depth)
    held = [(one.name, text) for one in providers if _wanted(one, depth, seen) and (text := told(one, now.at))]
    gates = [gate for gate in now.gates if gate.lane is None or waits_behind(depth, gate.lane, seen)]
    around = place(replace(now, gates=gates), end, (), lease=lease, app=app)
    limits = await limited(store, [f"queue:{end}"], now.at)
    return end, root(numbers(depth), replace(around, providers=held, limits=limits))


async def held_by(store: Store, now: float, lane: str) -> list[tuple[str, str]]:
    """Providers that are not asked as usual, and whose messages wait in this lane; why so."""
    found = [one for one in await listed(store) if unkeyed(lane) in _lanes(one)]
    return [(one.name, text) for one in found if (text := told(one, now))]


def waits_behind(depth: Depth, lane: str, seen: Collection[str] | None = None) -> bool:
    """Whether something waits that a closed gate on this lane may hold: a lane is shut in each queue that has workers,
    whether or not a message has ever come to it there. Where its depth alone cannot tell, `seen` does, from
    `seen_lanes`; yes without.
    """
    if not (depth.ready or depth.parked):
        return False
    waits = [parts(one.lane) for one in depth.lanes if one.ready or one.parked]
    if any(lane in (one.lane, unkeyed(one.lane)) for one in waits):
        return True
    return _mixed(depth) and (seen is None or lane in seen)


def _mixed(depth: Depth) -> bool:
    """Whether its depth does not say in which lanes its messages were put: there are more lanes than are listed, or
    some are of keys, which in an ordered queue hold messages of any lane.
    """
    waits = [parts(one.lane) for one in depth.lanes if one.ready or one.parked]
    return len(depth.lanes) >= SHOWN_LANES or any(not one.lane and one.key is not None for one in waits)


async def seen_lanes(store: Store, depth: Depth) -> frozenset[str]:
    """The lanes that messages of a queue were put into, from a sample of those that wait, if its depth does not say."""
    if not _mixed(depth):
        return frozenset()
    sample = [
        found
        for state, count in ((State.READY, depth.ready), (State.PARKED, depth.parked)) if count
        for found in await store.messages(Query(queue=depth.queue, state=state, limit=_SAMPLE))
    ]  # fmt: skip
    return frozenset(name for found in sample for name in (found.lane, unkeyed(found.lane)))


def _wanted(one: Provider, depth: Depth, seen: Collection[str]) -> bool:
    return any(waits_behind(depth, lane, seen) for lane in _lanes(one))


def _lanes(one: Provider) -> tuple[str, str]:
    return lane_of(one.name, cpu=False), lane_of(one.name, cpu=True)


async def paced(store: Store, queue: str) -> list[tuple[str, float, str]]:
    """Tasks of a queue that go no faster than a queue drains which they feed: at which rate, and which one it is."""
    found = paces_of(await store.steered())
    return [(task, one.rate, one.queue) for (source, task), (one, _) in sorted(found.items()) if source == queue]


async def limited(store: Store, names: Sequence[str], now: float) -> list[Limit]:
    """Those of these meters that let nothing through now."""
    found = await store.meters([*names, *await beside(store, names)])
    full = [(meter.name, text) for meter in found if (text := why(meter, now))]
    few = await fewer(store, [name for name, _ in full], now)
    return [Limit(of=_whose(name), why="; ".join(filter(None, (text, few.get(name))))) for name, text in full]


def _whose(name: str) -> str:
    """Whose meter it is, in words: "queue mail", "key t7 of queue mail", "key eu of provider llm"."""
    kind, _, rest = payer(name).partition(":")
    if of_each(name) is not None:
        return f"key {rest.removeprefix(unkeyed(rest))[1:]} of {kind} {unkeyed(rest)}"
    queue, apart, about = rest.partition(":")
    return f"{kind} {about} of queue {queue}" if apart and kind in ("key", "task") else f"{kind} {rest}"


def _in_lane(now: Snapshot, found: Found) -> list[Limit]:
    """What the scheduler says of the lane of its key, if no meter says more."""
    lanes = [lane for depth in now.queues if depth.queue == found.queue for lane in depth.lanes]
    mine = [lane for lane in lanes if found.key is not None and parts(lane.lane).key == found.key]
    return [Limit(of=shown(lane.lane), why=lane.why) for lane in mine if lane.ready and lane.why][:1]


async def handed_back(store: Store, depth: Depth) -> list[tuple[str, int]]:
    """Why scheduled messages of a queue went back without a failure, from a sample of them; snoozes are alike."""
    sample = await store.messages(Query(queue=depth.queue, state=State.SCHEDULED, limit=_SAMPLE))
    causes = (SNOOZED if found.cause.startswith(SNOOZED) else found.cause for found in sample if not _failed(found))
    return Counter(filter(None, causes)).most_common(10)


def _failed(found: Found) -> bool:
    return found.failure is not None and not found.cause.startswith(SNOOZED)


def numbers(depth: Depth, causes: Sequence[tuple[str, int]] = ()) -> Numbers:
    """A queue in numbers."""
    return Numbers(
        ready=depth.ready, scheduled=depth.scheduled, running=depth.running, parked=depth.parked, age=depth.age,
        limit=depth.limit, limit_bytes=depth.limit_bytes, size=depth.size, reserved=depth.reserved,
        full=depth.full, causes=causes,
    )  # fmt: skip


def place(now: Snapshot, queue: str, audits: Sequence[AuditLine], *, lease: float, app: str) -> Place:
    """How it stands around a queue."""
    elsewhere = sorted({name for worker in now.alive for name in worker.queues})
    return Place(
        now=now.at,
        queue=queue,
        gates=[_closed(gate, audits) for gate in now.gates if gate.queue in ("", queue)],
        servers=[_server(row, lease) for row in now.serving(queue)],
        elsewhere=elsewhere,
        alive=len(now.alive),
        app=app,
        stuck=patience(lease),
    )


def _closed(gate: Gate, audits: Sequence[AuditLine]) -> Closed:
    operators = gate.holder == OPERATOR and gate.lane is None
    return Closed(
        lane=gate.lane, by=paused_by(gate, audits), reason=gate.reason,
        since=gate.since, until=gate.until, task=gate.task, key=gate.key,
        resume=gate.resumed() if operators else taken_back(gate.holder),
    )  # fmt: skip


def _server(row: WorkerRow, lease: float) -> Server:
    return Server(
        worker=row.worker, where=f"process {row.pid} on {row.node or row.host}", running=row.running,
        concurrency=row.concurrency, state=row.state, proved=proof_age(row, lease), most=row.most,
    )  # fmt: skip
