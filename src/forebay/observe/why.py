"""The facts behind a question: why does this message wait, what holds up this queue? `flow/explain.py` answers."""

from collections import Counter
from collections.abc import Sequence

from forebay.engine.contract import Depth, Engine
from forebay.flow.explain import Closed, Numbers, Place, Reason, Server, Subject, explain, explain_queue
from forebay.model.lifecycle import State
from forebay.model.outcome import SNOOZED
from forebay.observe.snapshot import Snapshot, patience, proof_age, take
from forebay.store.contract import OPERATOR, AuditLine, Found, Gate, Query, Store, WorkerRow

#: Scheduled messages of a queue, and lines of the audit, that are looked at.
_SAMPLE, _AUDITS = 200, 500


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
    around = place(now, found.queue, audits, lease=lease, app=app)
    ahead = await store.ahead(found.id) if found.state is State.READY else 0
    holder = next((_server(row, lease) for row in now.alive if row.worker == found.worker), None)
    subject = Subject(
        id=found.id, state=found.state, task=found.task, lane=found.lane, attempt=found.attempt, attempts=attempts,
        due=found.due, started=found.started, finished=found.finished, worker=found.worker, holder=holder,
        cause=found.cause, failure=str(found.failure or ""), ahead=ahead,
    )  # fmt: skip
    return explain(subject, around)


async def why_queue(engine: Engine, store: Store, depth: Depth, *, lease: float, app: str) -> list[Reason]:
    """What holds up a queue; see `why_message`."""
    now, audits = await take(engine, store), await store.audits(_AUDITS)
    causes = await handed_back(store, depth) if depth.scheduled else []
    return explain_queue(numbers(depth, causes), place(now, depth.queue, audits, lease=lease, app=app))


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
        causes=causes,
    )  # fmt: skip


def place(now: Snapshot, queue: str, audits: Sequence[AuditLine], *, lease: float, app: str) -> Place:
    """How it stands around a queue."""
    elsewhere = sorted({name for worker in now.alive for name in worker.queues})
    return Place(
        now=now.at,
        queue=queue,
        gates=[_closed(gate, audits) for gate in now.gates if gate.queue == queue],
        servers=[_server(row, lease) for row in now.serving(queue)],
        elsewhere=elsewhere,
        alive=len(now.alive),
        app=app,
        stuck=patience(lease),
    )


def _closed(gate: Gate, audits: Sequence[AuditLine]) -> Closed:
    paused = (line.actor for line in audits if line.verb == "pause" and line.target == gate.queue)
    by = next(paused, gate.holder) if gate.holder == OPERATOR and gate.lane is None else gate.holder
    return Closed(lane=gate.lane, by=by, reason=gate.reason, since=gate.since, until=gate.until)


def _server(row: WorkerRow, lease: float) -> Server:
    return Server(
        worker=row.worker, where=f"process {row.pid} on {row.node or row.host}", running=row.running,
        concurrency=row.concurrency, state=row.state, proved=proof_age(row, lease),
    )  # fmt: skip
