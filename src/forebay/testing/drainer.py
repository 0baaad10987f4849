"""The worker behind a drain: leases one thing at a time, says how to call it, settles it. Knows no loop and no thread.

It lives as real workers do: its lease runs out under a clock that is moved too far, and it dies of `Crashed`; either
way what it held is found again under its next name.
"""

import functools
import logging
import os
from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.app import Forebay
from forebay.engine.backend import Completed
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.flow.grant import grant
from forebay.flow.snooze import Snooze
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import ConfigError
from forebay.model.ids import new_id
from forebay.model.lifecycle import State, move
from forebay.model.outcome import Outcome, Settlement
from forebay.model.sealed import Part
from forebay.produce.codec import encode_value
from forebay.produce.consumer import Consumer
from forebay.produce.context import Context
from forebay.store.records import Query
from forebay.testing.clock import ManualClock
from forebay.testing.fault_points import Crashed
from forebay.testing.job import End, Job
from forebay.work.batch import fates, unpacked
from forebay.work.completing import Completing
from forebay.work.executor import Bounds, Executor
from forebay.work.failures import Told, told
from forebay.work.rules import Keeper
from forebay.work.run import Run
from forebay.work.storetime import StoreTime
from forebay.work.strangers import Strangers
from forebay.work.timekeeper import Timekeeper

_logger = logging.getLogger("forebay.testing")
#: Scheduled messages of a queue that are looked through for the next one due.
_SCHEDULED = 100_000
#: Seconds after the time that a meter names, within which it surely lets the next one through.
_SURE = 1e-5
LOST = "its lease was lost, so this run does not count"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one run of one message ended.

    Attributes:
        task: "" for a raw message to a consumer.
        attempt: 1 for the first attempt.
        state: where the message is now: done, scheduled (to be tried again), dead, ready (its worker was lost), …
        cause: why, if it is not done.
        value: what the task returned.
        error: what it raised.
        settled: False if its worker was lost or had lost its lease, so that this run does not count.
    """

    id: str
    queue: str
    task: str
    attempt: int
    state: State
    cause: str = ""
    value: Any = None
    error: BaseException | None = None
    settled: bool = True


class Drainer:
    """See `forebay.testing.drain`."""

    def __init__(self, app: Forebay, queues: Sequence[str], ahead: float, limit: int) -> None:
        if ahead and not isinstance(app.clock, ManualClock):
            raise ConfigError("ahead= moves the clock, and only a ManualClock can be moved: see in_memory(app, clock)")
        self._app, self._limit = app, limit
        self._queues = tuple(queues) or tuple(app.registry.queues)
        self._until = app.clock.now() + ahead
        self._name, self._renew = "", 0.0
        bounds = Bounds.of(app.settings)._replace(unknown_for=0)  # no deploy is under way in a test: it is a mistake
        self._time = StoreTime(app.clock)
        self._executor = Executor(app.registry.tasks, bounds, self._report, self._time)
        self._executor.providers.specs = app.registry.providers
        self._rules = Keeper(app.store, self._executor.rules, self._queues, app.producer.seal)
        self._executor.completes = Completing(lambda: self._name, self._executor.done)
        self._timekeeper = Timekeeper(app.store, self._queues if queues else None)
        self.ended: list[Ended] = []
        #: what the app's `on_failure` hooks have to be called with
        self.failed: list[tuple[Context, Told | None]] = []

    async def open(self) -> None:
        """Make the app's queues and schedules known."""
        await self._app.engine.open(starts=True)
        await self._app.store.put_schedules(self._app.registry.rows(await self._app.store.now()))

    async def close(self) -> None:
        """Leave, as a worker leaves: what it still holds is handed back."""
        if held := await self._app.store.held(self._name):
            await self._settle([(delivery, outcome.Release()) for delivery in held])
        await self._app.engine.recover([self._name])

    async def next(self) -> Job | None:
        """The next call to make; None when nothing is due any more."""
        while len(self.ended) <= self._limit:
            try:
                job = await self._lease()
            except Crashed:
                lost = outcome.Lose(LOST)
                held = await self._die()
                self.ended += [await self._tell(delivery, lost, settled=False) for delivery in held]
                self.failed += [(self._context(delivery), told(delivery, lost)) for delivery in held]
                continue
            if job is not None:
                return job
            if not await self._move_on():
                await self._warn()
                return None
        raise AssertionError(f"{self._limit:,} runs, and more is due: does a task enqueue itself? (limit= allows more)")

    async def settle(self, job: Job, value: Any, error: BaseException | None) -> list[Ended]:
        """Settle what a call made of its messages; how they ended."""
        ends: Sequence[tuple[Delivery, Outcome]] = [(delivery, outcome.Lose(LOST)) for delivery in job.deliveries]
        try:
            if isinstance(error, Crashed):
                raise error
            ends = job.fates(value, error)
            if job.run is not None and job.run.context.completing:
                ends = await self._within(job.run, ends)
            settled = [True] if _settled(job) else await self._settle(ends)
        except Crashed:
            held = {delivery.id for delivery in await self._die()}
            settled = [delivery.id not in held for delivery, _ in ends]
            error = None if isinstance(error, Crashed) else error
        ended = [
            await self._tell(delivery, end, (value, error), settled=counts)
            for (delivery, end), counts in zip(ends, settled, strict=True)
        ]
        self.ended += ended
        verdicts = zip(ends, settled, strict=True)
        self._note(job, [(one, end if counts else outcome.Lose(LOST)) for (one, end), counts in verdicts], error)
        return ended

    async def _within(self, run: Run, ends: Sequence[tuple[Delivery, Outcome]]) -> Sequence[tuple[Delivery, Outcome]]:
        """How one ended that was to be done in a transaction of its own."""
        delivery, context = run.delivery, run.context
        within = self._app.producer.within(run.task.name, "")
        (standing,) = await within.completed(context.worker, [delivery])
        if standing is Completed.OPEN:
            await within.undo(delivery)  # else whatever comes next waits for it
            raise AssertionError(f"{run.task.name} has returned, and its transaction is still open")
        run.settled = standing is Completed.COMMITTED
        if run.settled:
            return [(delivery, outcome.Ack())]
        undone = standing is Completed.UNDONE and isinstance(ends[0][1], outcome.Ack | outcome.Snooze)
        return [(delivery, self._executor.undone(run))] if undone else ends

    def _note(self, job: Job, ends: Sequence[tuple[Delivery, Outcome]], error: BaseException | None) -> None:
        """Keep what the hooks are to hear of."""
        run, once = job.run, _settled(job)
        for delivery, end in ends:
            if run is None:  # of a batch, what could not be read was not called
                called = isinstance(end, outcome.Retry | outcome.DeadLetter) and end.failure is not None
                self.failed.append((self._context(delivery), told(delivery, end, error if called else None)))
                continue
            result = self._executor.failed(run, error) if once and error is not None else end
            self.failed.append((run.context, told(delivery, result, run.error, once=once)))

    def _context(self, delivery: Delivery) -> Context:
        return Context(delivery, producer=self._app.producer)

    async def _live(self) -> None:
        """Have a lease; under a new name if the old one's ran out."""
        clock, lease = self._app.clock, self._app.settings.lease
        if self._name and clock.monotonic() < self._renew:
            return
        self._renew = clock.monotonic() + lease / 3
        beat = Beat(worker=self._name or new_id(), lease=lease, pid=os.getpid(), queues=self._queues, concurrency=1)
        if not (await self._app.engine.extend([beat]))[0]:
            await self._die()
            await self._live()
        self._name = self._name or beat.worker

    async def _die(self) -> list[Delivery]:
        """What this worker held, now back in its queue."""
        held = await self._app.store.held(self._name)
        await self._app.engine.recover([self._name])
        self._name = ""
        return held

    async def _lease(self) -> Job | None:
        """The next thing that is due, queue by queue."""
        await self._live()
        await self._timekeeper.fire_due()
        await self._rules.look()
        for queue in self._queues:
            consumer = self._app.registry.consumers.get(queue)
            want = Want(self._name, (queue,), 1 if consumer is None else consumer.batch)
            leased = await self._app.engine.lease(want)
            self._time.heard(leased.now)
            if deliveries := leased.deliveries:
                return self._batch(consumer, deliveries) if consumer else await self._single(deliveries[0])
        return None

    def _batch(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> Job:
        rules = self._executor.rules
        ruled = [(one, fate) for one in deliveries if rules.concern(one) and (fate := rules.fate(one)) is not None]
        left = [one for one in deliveries if one not in [one for one, _ in ruled]]
        good, messages, bad = unpacked(left, self._app.producer, Strangers(0, self._time.now))
        bad += ruled

        def judge(value: Any, error: BaseException | None) -> Sequence[tuple[Delivery, Outcome]]:
            failure = value if isinstance(value, Snooze) else error
            return [*bad, *fates(consumer, good, failure, self._time.now(), self._app.settings.result_ttl)]

        call = functools.partial(consumer.function, messages) if messages else None
        return Job(deliveries, judge, call, consumer.is_async and bool(messages))

    async def _single(self, delivery: Delivery) -> Job:
        run = self._executor.begin(delivery)
        if not isinstance(run, Run):
            return Job([delivery], functools.partial(_as_it_is, delivery, run))

        def judge(value: Any, error: BaseException | None) -> Sequence[tuple[Delivery, Outcome]]:
            if once:
                return done
            return [
                (delivery, self._executor.ended(run, value) if error is None else self._executor.failed(run, error))
            ]

        once, done = run.task.running.at_most_once, [(delivery, outcome.Ack())]
        if once:
            await self._settle(done)
        return Job(
            [delivery], judge, functools.partial(run.task.function, *run.args, **run.kwargs), run.task.is_async, run
        )

    def _report(self, delivery: Delivery, value: Any) -> None:
        """Progress is written at once; a worker lets it gather for a tenth of a second."""
        blob, seal = encode_value(value), self._app.producer.seal
        blob = blob if seal is None else seal.close(Part.PROGRESS, delivery, blob)
        drive(self._app.store.progress(delivery, blob))

    async def _settle(self, ends: Sequence[tuple[Delivery, Outcome]]) -> list[bool]:
        return await self._app.engine.settle(self._name, [Settlement(delivery, end) for delivery, end in ends])

    async def _move_on(self) -> bool:
        """Let time pass until something is due; False when there is no more time, or nothing."""
        clock, now = self._app.clock, self._app.clock.now()
        if not isinstance(clock, ManualClock) or now >= self._until:
            return False
        due = min(await self._dues(), default=self._until)
        clock.advance(max(0.0, min(due, self._until) - now))
        return True

    async def _dues(self) -> list[float]:
        store = self._app.store
        now = self._app.clock.now()  # what is due and still there cannot be fired
        dues = [
            schedule.next
            for schedule in await self._timekeeper.schedules()
            if not schedule.paused and schedule.next > now
        ]
        for queue in self._queues:
            query = Query(queue=queue, state=State.SCHEDULED, limit=_SCHEDULED)
            dues += [found.due for found in await store.messages(query) if found.due is not None]
        return [*dues, *await self._limited(now)]

    async def _limited(self, now: float) -> list[float]:
        """When meters let more through of what is ready, and gates open by themselves; a little later, to be sure."""
        waiting = [depth for depth in await self._app.engine.depth(self._queues) if depth.ready or depth.parked]
        if not waiting:
            return []
        times = [lane.go for depth in waiting for lane in depth.lanes]
        times += [grant(meter, now, 1).again for meter in await self._app.store.meters()]
        times += [gate.until for gate in await self._app.store.gates()]
        return [at + _SURE for at in times if at is not None and at > now]

    async def _warn(self) -> None:
        """Say what is left at a rate or a limit, so that a test does not pass because nothing ran."""
        for depth in await self._app.engine.depth(self._queues):
            if depth.ready and not depth.paused:
                _logger.warning(
                    "drain leaves %s ready in queue %s, held back by a rate or another limit: ahead= lets time pass",
                    f"{depth.ready:,} message{'' if depth.ready == 1 else 's'}", depth.queue,
                )  # fmt: skip

    async def _tell(self, delivery: Delivery, end: Outcome, how: End = (None, None), *, settled: bool) -> Ended:
        found = (await self._app.store.find([delivery.id]))[0]
        state = move(State.RUNNING, end.move) if found is None else found.state
        cause = "" if state is State.DONE else outcome.describe(end) if settled else LOST
        return Ended(
            id=delivery.id, queue=delivery.queue, task=delivery.task, attempt=delivery.attempt, state=state,
            cause=cause, value=how[0], error=how[1], settled=settled,
        )  # fmt: skip


def _as_it_is(delivery: Delivery, end: Outcome, *_: Any) -> Sequence[tuple[Delivery, Outcome]]:
    return [(delivery, end)]


def _settled(job: Job) -> bool:
    return job.run is not None and (job.run.task.running.at_most_once or job.run.settled)
