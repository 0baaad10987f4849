"""A worker process's inside: feeds that lease, pools that run, a settler that reports. Builds and drains them."""

import asyncio
import contextlib
import logging
import os
import platform
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any

from forebay.app import Forebay
from forebay.config import WorkerOptions
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import call_in
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import ConfigError, EngineError, LeaseLost, TimeLimit
from forebay.model.lifecycle import REFUNDS
from forebay.model.outcome import Outcome, Settlement
from forebay.produce.context import enter
from forebay.work.batches import Batches
from forebay.work.deadlines import Deadlines
from forebay.work.executor import Executor
from forebay.work.feed import Feed
from forebay.work.processes import Processes
from forebay.work.progress import Progress
from forebay.work.run import ISOLATE_AFTER, Run, Stop
from forebay.work.settler import Settler
from forebay.work.threads import Threads

_logger = logging.getLogger("forebay.worker")
#: Unsettled outcomes above which nothing is leased.
UNSETTLED = 20_000
#: Seconds that cancelled tasks get to notice, when the worker has to go now.
LAST_CALL = 2.0


class Worker:
    """Runs an app's messages on the present loop, under one lease.

    Args:
        stuck: told of a task that cannot be stopped, with the outcome it is to have; its process has to go.
    """

    def __init__(
        self, app: Forebay, options: WorkerOptions, id_: str, stuck: Callable[[Run, Outcome], None] | None = None
    ) -> None:
        self.id, self._app, self._options, self._stuck = id_, app, options, stuck
        self.done = self.failed = 0
        self._runs: dict[str, tuple[Feed, Run]] = {}
        self._loop = asyncio.get_running_loop()
        self._settler = Settler(app.engine, id_, self._refused)
        self._progress = Progress(app.store, app.producer.seal)
        settings = app.settings
        self._executor = Executor(
            app.registry.tasks, settings.result_ttl, settings.payload_limit, self._progress.report, app.clock.now
        )
        self._threads = Threads(self._executor, options.concurrency, self._finish)
        cpus = options.cpu or os.cpu_count() or 1
        self._deadlines = Deadlines(self._overdue)
        self._processes = Processes(
            self._executor, cpus, self._finish,
            watch=self._deadlines.watch, report=self._progress.report, settings=settings,
        )  # fmt: skip
        self._processes.max_memory = options.max_memory
        self._feeds, self._batches = self._make_feeds(cpus)
        self._tasks: list[asyncio.Task[Any]] = []
        self._services: list[asyncio.Task[Any]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def _make_feeds(self, cpus: int) -> tuple[list[Feed], list[Batches]]:
        """Queues of raw messages by their consumer, queues of process work by the processes, all others together."""
        registry, engine = self._app.registry, self._app.engine
        queues = self.queues()
        raw = [queue for queue in queues if queue in registry.consumers]
        kinds = {
            queue: {t.running.cpu for t in registry.tasks.values() if t.waiting.queue == queue} for queue in queues
        }
        cpu = [queue for queue in queues if kinds[queue] == {True} and queue not in raw]
        usual = [queue for queue in queues if queue not in cpu and queue not in raw]
        feeds = [
            Feed(engine, self, names, slots)
            for names, slots in ((usual, self._options.concurrency), (cpu, cpus))
            if names
        ]
        batches = [Batches(engine, self, registry.consumers[queue], self._app.producer) for queue in raw]
        return feeds, batches

    def queues(self) -> tuple[str, ...]:
        """The queues served.

        Raises:
            ConfigError: there is none.
        """
        queues = self._options.queues or tuple(sorted(self._app.registry.queues))
        if not queues:
            raise ConfigError("nothing to do: the app declares no task, consumer or queue, and -Q names none")
        return queues

    @property
    def running(self) -> int:
        """Messages that run now."""
        return len(self._runs) + sum(batch.running for batch in self._batches)

    @property
    def proved(self) -> float:
        """Seconds since the oldest of the feeds' last round trips: how honest liveness is known."""
        last = [feed.proved for feed in self._feeds] + [batch.proved for batch in self._batches]
        return time.monotonic() - min(last)

    def beat(self, state: str = "running", rss: int = 0) -> Beat:
        """The heartbeat of this worker, as of now."""
        return Beat(
            worker=self.id, lease=self._app.settings.lease, host=platform.node(), node=platform.node(), pid=os.getpid(),
            queues=self.queues(), concurrency=self._options.concurrency, running=self.running, done=self.done,
            failed=self.failed, proved=self.proved, state=state, rss=rss,
        )  # fmt: skip

    async def start(self) -> None:
        """Register under a lease and begin to lease messages."""
        await self._app.engine.open()
        schedules = self._app.registry.rows(self._app.clock.now())
        if schedules:
            await self._app.store.put_schedules(schedules)
        await self._app.engine.extend([self.beat()])
        poll = self._app.settings.poll
        self._services = [self._spawn(self._settler.run()), self._spawn(self._progress.run())]
        loops = [feed.run(poll) for feed in self._feeds] + [batch.run(poll) for batch in self._batches]
        self._tasks = [self._spawn(loop) for loop in (*loops, self._listen(poll))]

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(coroutine)

    async def failure(self) -> None:
        """Until a part of this worker ends, which none should: raises what ended it."""
        ended, _ = await asyncio.wait([*self._tasks, *self._services], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def drain(self, patience: float) -> bool:
        """Lease no more, hand back what has not started, let what runs end; whether it did within `patience`."""
        await self._lease_no_more()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet(), patience)
        return not self.running

    async def close(self, *, buried: bool = False) -> None:
        """Stop what still runs and hand it back, settle everything, end the pools.

        Args:
            buried: somebody buries this worker as soon as its process has ended. What cannot be stopped is left to them
                to hand back, so that it does not run twice at a time.
        """
        await self._lease_no_more()
        for _, run in list(self._runs.values()):
            run.halt(Stop.HAND_BACK)
        for batch in self._batches:
            batch.halt()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet(), LAST_CALL)
        if not buried:  # threads in C code: they end with the process
            self.hand_back([*self._held()])
        await self._settler.empty()
        await self._progress.flush()
        await self._stop(self._services)
        self._deadlines.close()
        self._threads.close()
        self._processes.close()
        if not buried:
            with contextlib.suppress(EngineError):
                await self._app.engine.recover([self.id])

    async def _lease_no_more(self) -> None:
        """Stop leasing, and hand back what has not started."""
        await self._stop(self._tasks)
        for feed in self._feeds:
            feed.drop()
        for batch in self._batches:
            batch.drop()
        await self._hand_back_strays()

    async def _hand_back_strays(self) -> None:
        """A lease that was under way when its feed was stopped may have brought messages that nobody took."""
        with contextlib.suppress(EngineError, LeaseLost):
            await self._app.engine.lease(Want(self.id, (), 0))  # answered after that one
            await self._settler.empty()
            held = await self._app.store.held(self.id)
            known = {delivery.id for delivery in self._held()}
            self.hand_back([delivery for delivery in held if delivery.id not in known])

    def _held(self) -> Iterator[Delivery]:
        """What runs here."""
        yield from (run.delivery for _, run in self._runs.values())
        for batch in self._batches:
            yield from batch.called

    async def _stop(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks.clear()

    async def _quiet(self) -> None:
        while self.running:
            self._idle.clear()
            await self._idle.wait()

    async def _listen(self, poll: float) -> None:
        """Hear of cancellations even when there is no room to lease."""
        while True:
            try:
                leased = await self._app.engine.lease(Want(self.id, (), 0))
                self.revoke(leased.cancelled)
                await self._app.engine.wait((), poll * 5, leased.news)
            except EngineError as error:
                _logger.error("cannot look for cancellations: %s", error)
                await asyncio.sleep(poll)

    # --- Host: what a feed asks of its worker ---

    def begin(self, feed: Feed, delivery: Delivery) -> None:
        """Begin a delivery in the pool it belongs to."""
        run = self._executor.begin(delivery)
        if not isinstance(run, Run):
            self.settle(delivery, run)
            self._loop.call_soon(feed.ended)
            return
        self._runs[delivery.id] = (feed, run)
        if run.task.running.at_most_once:
            self._spawn(self._once(run))
        else:
            self._pool(run)

    def hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Release deliveries that were not started."""
        for delivery in deliveries:
            self._settler.put(Settlement(delivery, outcome.Release()))

    def revoke(self, ids: Sequence[str]) -> None:
        """Stop these, if they run here."""
        for id_ in ids:
            if id_ in self._runs:
                self._runs[id_][1].halt(Stop.CANCEL)

    def held(self) -> bool:
        """No leases while outcomes pile up."""
        return self._settler.pending > UNSETTLED

    # --- one message ---

    def _pool(self, run: Run) -> None:
        if run.task.running.cpu or run.delivery.lost >= ISOLATE_AFTER:
            self._processes.start(run)
            return
        if run.deadline is not None:
            self._deadlines.watch(run)
        if run.task.is_async:
            task = self._loop.create_task(self._on_loop(run))
            run.interrupt = partial(call_in, self._loop, task.cancel)
        else:
            self._threads.start(run)

    async def _on_loop(self, run: Run) -> None:
        """An asynchronous task: its call is an `asyncio.Task` of its own, with a context of its own."""
        enter(run.context)
        try:
            value = await run.task.function(*run.args, **run.kwargs)
            run.finished = True
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not self._loop.is_running():
                raise  # nobody raised it: the loop is gone, and this coroutine goes with it
            self._finish(run, self._executor.failed(run, error))
        else:
            self._finish(run, self._executor.ended(run, value))

    async def _once(self, run: Run) -> None:
        """At most once: the end is durable before the beginning."""
        verdict = await self._app.engine.settle(self.id, [Settlement(run.delivery, outcome.Ack())])
        if verdict[0]:
            self._pool(run)
        else:
            self._release(run)

    def _finish(self, run: Run, result: Outcome) -> None:
        """A run has ended: settle it, and let its feed go on."""
        if run.delivery.id not in self._runs:
            return
        if not run.task.running.at_most_once:
            self.settle(run.delivery, result)
        self._release(run)

    def _release(self, run: Run) -> None:
        feed, _ = self._runs.pop(run.delivery.id)
        if run.deadline is not None:
            self._deadlines.forget(run)
        feed.ended()
        self.idle()

    def idle(self) -> None:
        """Something that ran has ended."""
        if not self._runs and not self.running:
            self._idle.set()

    def settle(self, delivery: Delivery, result: Outcome) -> None:
        """Report an outcome."""
        if type(result) is outcome.Ack:
            self.done += 1
        elif result.move not in REFUNDS:
            self.failed += 1
            _logger.info("%s %s attempt %d: %s", delivery.task, delivery.id, delivery.attempt, outcome.describe(result))
        self._settler.put(Settlement(delivery, result))

    def _refused(self, settlement: Settlement) -> None:
        _logger.warning(
            "%s %s attempt %d: its lease was lost, so its outcome (%s) does not count",
            settlement.delivery.task, settlement.delivery.id, settlement.delivery.attempt, settlement.outcome.move,
        )  # fmt: skip

    def _overdue(self, run: Run) -> None:
        """Called by the deadlines' thread: a run that did not stop when told to."""
        result = self._executor.failed(run, TimeLimit("did not stop when told to"))
        run.finished = False
        if run.task.running.cpu or run.delivery.lost >= ISOLATE_AFTER:
            self._loop.call_soon_threadsafe(self._processes.kill, run)
        elif self._stuck is not None:
            self._stuck(run, result)
        else:
            _logger.error("%s %s runs past its timeout and cannot be stopped here", run.task.name, run.delivery.id)
