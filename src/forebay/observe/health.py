"""What is wrong with the flow, from one reading: work that nobody does, clocks, pauses, dead letters.

Pure: the reading carries its time. Knows no engine; what is wrong with the place of the messages is the engine's word.
"""

from collections.abc import Callable, Iterator, Sequence
from math import isinf
from shlex import quote

from msgspec.structs import replace

from forebay.engine.contract import Depth
from forebay.flow.explain import remedy
from forebay.model.duration import EVER, span
from forebay.model.finding import Finding, fail, fine, warn
from forebay.model.gate import THROTTLE, Gate
from forebay.model.outcome import NOT_KNOWN
from forebay.model.provider import BREAKER, unkeyed
from forebay.model.rule import taken_back
from forebay.model.topology import PRESSURE
from forebay.observe.providers import Shown
from forebay.observe.snapshot import Snapshot, patience, proof_age
from forebay.store.records import AuditLine, Route, WorkerRow, paused_by

#: Seconds that a tick may be late before somebody must be missing, and that clocks may differ.
LATE, SKEW = 60.0, 5.0
#: Seconds of waiting that are worth a word.
LONG = 600.0
#: Who closes the lanes of providers.
_PROVIDERS = frozenset({BREAKER, THROTTLE})


def credited(now: Snapshot, audits: Sequence[AuditLine]) -> Snapshot:
    """A reading whose gates are held by who has closed them, as far as the audit tells."""
    return replace(now, gates=[replace(gate, holder=paused_by(gate, audits)) for gate in now.gates])


def examine(
    now: Snapshot,
    lease: float,
    app: str = "module:app",
    causes: Sequence[tuple[str, str, int]] = (),
    before: Snapshot | None = None,
    *,
    created: Sequence[float] = (),
    providers: Sequence[Shown] = (),
) -> Iterator[Finding]:
    """All findings; each check that is content says so too.

    Args:
        lease: seconds that a beat of a worker holds, from the settings.
        app: the app as `-A` names it, for the advice.
        causes: why messages were handed back without a failure: queue, cause, how many.
        before: a reading a moment earlier, to tell whether saturated queues move.
        created: when the newest messages were, in seconds since the epoch.
        providers: how each stands.
    """
    yield from _workers(now, lease, f"start one: `forebay worker -A {quote(app)}`")
    yield from _handed_back(causes)
    yield from _full(before, now)
    yield from _gates(now)
    for check in _CHECKS:
        yield from check(now)
    yield from _providers(providers)
    yield from _clock(now, created)


def _workers(now: Snapshot, lease: float, start: str) -> Iterator[Finding]:
    waiting = sum(depth.ready + depth.scheduled + depth.parked for depth in now.queues)
    if not now.alive and waiting:
        wait = "1 message waits" if waiting == 1 else f"{waiting:,} messages wait"
        yield fail("workers", f"none is alive, {wait}", start)
    elif not now.alive:
        yield warn("workers", "none is alive", start)
    stuck = [worker for worker in now.alive if proof_age(worker, lease) > patience(lease)]
    for worker in stuck:
        age = proof_age(worker, lease)
        what = "what it says of itself cannot be read" if isinf(age) else f"could not lease for {span(age)}"
        text = f"{worker.worker} (process {worker.pid} on {worker.node or worker.host}) lives, but {what}"
        yield fail(
            "workers",
            text,
            "SIGCONT if it is stopped (T in `ps`); SIGQUIT shows its stacks; kill it and its messages are retried",
        )
    stale = [worker for worker in now.workers if worker.left <= 0]
    if stale:
        text = f"{len(stale)} lost, and nobody made what they held ready again yet"
        yield warn("workers", text, "any running worker does; " + start)
    if now.alive and not stuck:
        yield fine("workers", f"{len(now.alive)} alive, and able to lease")


def _handed_back(causes: Sequence[tuple[str, str, int]]) -> Iterator[Finding]:
    for queue, cause, count in causes:
        text = f"{queue}: {count:,} handed back: {cause}"
        advice = "start a worker of the version that has this task" if NOT_KNOWN in cause else "see `forebay messages`"
        yield warn("tasks", text, advice)


def saturated(now: Snapshot) -> list[Depth]:
    """Queues on which messages wait while every slot of every worker that serves them is taken."""
    waiting = [depth for depth in now.queues if depth.ready and not depth.paused]
    return [depth for depth in waiting if (them := now.serving(depth.queue)) and all(map(_is_full, them))]


def _is_full(worker: WorkerRow) -> bool:
    return 0 < worker.concurrency <= worker.running


def _full(before: Snapshot | None, now: Snapshot) -> Iterator[Finding]:
    earlier = {} if before is None else {depth.queue: depth for depth in saturated(before)}
    for depth in saturated(now):
        then = earlier.get(depth.queue)
        if before is None or then is None:
            continue
        slots = sum(worker.concurrency for worker in now.serving(depth.queue))
        text = f"{depth.queue}: all {slots:,} slots of its workers are taken, {depth.ready:,} ready"
        most = sum(worker.slots for worker in now.serving(depth.queue))
        ended, came = _ended(depth) - _ended(then), depth.published - then.published
        if not ended:
            within = f"nothing ended within {span(now.tick - before.tick)}"
            advice = (
                "if its tasks wait for results from the same queues, give those another queue and worker; else see -c"
            )
            yield warn("slots", f"{text}, and {within}", advice)
        elif came > ended:
            yield warn("slots", f"{text}, and more come than end", _more(slots, most))


def _more(slots: int, most: int) -> str:
    if slots < most:
        return f"they have lowered themselves from {most:,}, since tasks time out or take longer than usual: see why"
    return "more processes (-p), or a higher -c"


def _ended(depth: Depth) -> int:
    return depth.done + depth.retried + depth.died + depth.cancelled + depth.expired + depth.discarded


def _unserved(now: Snapshot) -> Iterator[Finding]:
    alone = [depth for depth in now.queues if depth.ready and not depth.paused and not now.serving(depth.queue)]
    if now.alive:  # without any worker this is said once, not for every queue
        for depth in alone:
            advice = f"start a worker with `-Q {quote(depth.queue)}`{_or_remove(now, depth.queue)}"
            yield fail("queues", f"{depth.queue}: {depth.ready:,} ready, no worker serves it", advice)
    if not alone:
        yield fine("queues", "every queue with ready messages has a worker")


def _or_remove(now: Snapshot, queue: str) -> str:
    """What to do besides if schedules go on to fill it, which the code has no longer perhaps."""
    names = [quote(one.name) for one in now.schedules if one.message.queue == queue and not one.paused]
    return f", or, if the code no longer has them, `forebay schedules remove {' '.join(names)}`" if names else ""


def _backlog(now: Snapshot) -> Iterator[Finding]:
    for depth in now.queues:
        if depth.age > LONG and not depth.paused:
            text = f"{depth.queue}: the oldest of {depth.ready:,} ready waits for {span(depth.age)}"
            yield warn("backlog", text, "see `forebay top`; more workers, or a higher -c, if they are busy")


def _gates(now: Snapshot) -> Iterator[Finding]:
    for gate in now.gates:
        if gate.lane is not None and gate.holder in _PROVIDERS and unkeyed(gate.lane) == gate.lane:
            continue  # `_providers` tells of it once: there is such a gate in every queue
        place = gate.named()
        why = f": {gate.reason}" if gate.reason else ""
        resume = taken_back(gate.holder) or (gate.resumed() if gate.lane is None else "")
        advice = f"`{resume}` when it may go on" if resume else ""
        if gate.holder == PRESSURE:
            advice = "it goes on by itself: `forebay why` of that queue says what holds it up"
        told = f"{place}, for {span(max(0.0, now.at - gate.since))}, by {gate.holder}{why}"
        yield warn("paused", told + _behind(now, gate), advice)


def _behind(now: Snapshot, gate: Gate) -> str:
    """What waits behind the gate of a whole queue."""
    depth = next((one for one in now.queues if one.queue == gate.queue and one.paused), None)
    if depth is None or not depth.parked or (gate.lane, gate.task, gate.key) != (None, None, None):
        return ""
    waits = "1 message waits" if depth.parked == 1 else f"{depth.parked:,} messages wait"
    return f"; {waits} behind it, the oldest for {span(depth.held)}"


def _providers(providers: Sequence[Shown]) -> Iterator[Finding]:
    away = [one for one in providers if one.why]
    for one in away:
        waits = "1 message waits" if one.waiting == 1 else f"{one.waiting:,} messages wait"
        advice = f"`forebay providers` shows its calls; {remedy(one.name, one.why)}"
        yield warn("providers", f"{one.why}; {waits} for it", advice)
    if providers and not away:
        yield fine("providers", f"{len(providers)} known, asked as usual")


def _schedules(now: Snapshot) -> Iterator[Finding]:
    late = [one for one in now.schedules if not one.paused and one.next and now.at - one.next > LATE]
    for one in late:
        text = f"{one.name} was due {span(now.at - one.next)} ago"
        yield fail("schedules", text, "no scheduler runs: start a worker without --no-schedules")
    for one in now.schedules:
        if one.paused:
            yield warn("schedules", f"{one.name} is paused", f"`forebay schedules resume {quote(one.name)}` to go on")
    if now.schedules and not late:
        yield fine("schedules", f"{len(now.schedules)} known, none overdue")


def _dead(now: Snapshot) -> Iterator[Finding]:
    count = sum(depth.dead for depth in now.queues)
    if count:
        where = ", ".join(f"{depth.queue} {depth.dead:,}" for depth in now.queues if depth.dead)
        advice = "`forebay dead list` shows why; then `forebay dead redrive` or `forebay dead purge`"
        yield warn("dead", f"dead letters: {where}", advice)
    else:
        yield fine("dead", "no dead letters")


def _limits(now: Snapshot) -> Iterator[Finding]:
    for depth in now.queues:
        if depth.full:
            waiting = depth.ready + depth.scheduled + depth.parked
            yield warn(
                "limit",
                f"queue {depth.queue} has been full for {span(now.at - depth.full)}: {waiting:,} wait, "
                + _limits_of(depth),
                f"`forebay why {quote(depth.queue)}` says what holds it up; start more workers, or raise its limit",
            )


def _limits_of(depth: Depth) -> str:
    told = [] if depth.limit is None else [f"limit={depth.limit:,}"]
    if depth.limit_bytes is not None:
        told.append(f"{depth.size:,} bytes of limit_bytes={depth.limit_bytes:,}")
    return ", ".join(told) or "the oldest for too long"


def under_way(routes: Sequence[Route]) -> Iterator[Finding]:
    """What has left for another store, and may not have come there."""
    for route in routes:
        if route.aside:
            yield warn(
                "moving",
                f"{route.aside:,} messages are on their way to {route.about}, in no queue",
                "unless a move is running, run the same `forebay move` again, or with --back to have them here",
            )


def _clock(now: Snapshot, created: Sequence[float]) -> Iterator[Finding]:
    times = [
        *created,
        *(worker.started for worker in now.workers),
        *(schedule.last or 0.0 for schedule in now.schedules),
        *(gate.since for gate in now.gates),
        *(now.at + depth.age for depth in now.queues if depth.age < 0),
    ]
    ahead = max((one for one in times if one < now.at + EVER), default=0.0) - now.at
    if ahead > SKEW:
        advice = "let the system keep time (NTP); schedules and delays run late until it caught up"
        yield warn("clock", f"something happened {span(ahead)} in the future: the clock was set back", advice)
    else:
        yield fine("clock", "nothing happened in the future")


_CHECKS: Sequence[Callable[[Snapshot], Iterator[Finding]]] = (_unserved, _backlog, _limits, _schedules, _dead)
