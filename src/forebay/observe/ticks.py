"""Schedules as they stand: the message of a tick, why a tick makes none, and the facts for `flow.explain_schedule`."""

import hashlib
from collections.abc import Sequence
from shlex import quote

from forebay.flow.explain import Reason
from forebay.flow.explain_schedule import Ticking, explain_schedule
from forebay.model.lifecycle import FINAL, State
from forebay.model.outcome import NOT_KNOWN, UNKNOWN_TASK
from forebay.model.sealed import FIRED_BY
from forebay.store.contract import Store
from forebay.store.records import AuditLine, Found, Query, Schedule

#: Live messages of a task that are looked through for those of its schedule.
_LIVE = 200
#: Lines of the audit that are looked at.
_AUDITS = 500
#: What the audit calls it (`control.Control.pause_schedule`).
_PAUSED = "pause schedule"


def tick_id(name: str, tick: float) -> str:
    """The id of the message of one tick; sorts among other ids by the time of the tick."""
    noise = hashlib.blake2b(f"{name} {tick}".encode(), digest_size=8).hexdigest()
    return f"{int(tick * 1000) << 16:016x}{noise}"


async def held(store: Store, schedule: Schedule, now: float) -> str:
    """Why its tick makes no message now; "" if it does. What waits and is too late to start stands in nobody's way."""
    if schedule.last is None:
        return ""
    last = (await store.find([tick_id(schedule.name, schedule.last)]))[0]
    if last is not None and _unknown(last, schedule):
        return (
            f"makes no more messages: no worker knows its task {schedule.message.task!r}; start one that does, or "
            f"`forebay schedules remove {quote(schedule.name)}`"
        )
    if schedule.overlap == "allow":
        return ""
    live = [] if last is None or last.state in FINAL else [last]
    live += await _live(store, schedule)
    if schedule.overlap == "queue":
        live = [one for one in live if one.state is not State.RUNNING]
    live = [one for one in live if one.state is State.RUNNING or one.expires is None or one.expires > now]
    return "skips ticks: the message of an earlier one has not ended" if live else ""


async def _live(store: Store, schedule: Schedule) -> list[Found]:
    """Its messages that wait or run."""
    form = schedule.message
    found = await store.messages(Query(queue=form.queue, task=form.task, limit=_LIVE))
    return [one for one in found if (one.headers or {}).get(FIRED_BY) == schedule.name]


def _unknown(last: Found, schedule: Schedule) -> bool:
    """Whether nobody knew the task of the last tick's message, and no worker has declared the schedule since."""
    if last.state is State.RUNNING or not last.cause.startswith((NOT_KNOWN, UNKNOWN_TASK)):
        return False
    return last.state not in FINAL or (last.finished or 0.0) >= schedule.declared


async def why_schedule(store: Store, schedule: Schedule) -> list[Reason]:
    """When it fires next, or why it does not, and what became of its last tick."""
    now, workers = await store.now(), await store.workers()
    id_ = "" if schedule.last is None else tick_id(schedule.name, schedule.last)
    last = (await store.find([id_]))[0] if id_ else None
    alive, queue = [worker for worker in workers if worker.left > 0], schedule.message.queue
    served = not alive or any(queue in worker.queues for worker in alive)
    known = Ticking(
        name=schedule.name, when=f"{schedule.cron}, {schedule.tz}", now=now, next=schedule.next, last=schedule.last,
        by=_paused_by(schedule.name, await store.audits(_AUDITS)) if schedule.paused else "", flaw=schedule.flaw,
        held="" if schedule.paused or schedule.flaw else await held(store, schedule, now),
        alive=len(alive), deserted="" if served or schedule.flaw else queue, message=id_,
        state=None if last is None else last.state, cause="" if last is None else last.cause,
    )  # fmt: skip
    return explain_schedule(known)


def _paused_by(name: str, newest: Sequence[AuditLine]) -> str:
    return next((line.actor for line in newest if line.verb == _PAUSED and line.target == name), "an operator")
