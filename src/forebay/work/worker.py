"""A worker process's inside: builds feeds that lease, pools that run, a settler that reports; starts and drains them.

What becomes of a message between its lease and its end is in `runs.py`.
"""

import asyncio
import contextlib
import contextvars
import inspect
import logging
import os
import platform
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any

from forebay.app import Forebay
from forebay.config import WorkerOptions
from forebay.engine.contract import Beat, Want
from forebay.engine.native import refuse_greenlets
from forebay.engine.trouble import Trouble
from forebay.model.delivery import Delivery
from forebay.model.errors import ConfigError, EngineClosed, EngineError, name_of, text_of
from forebay.model.outcome import Outcome
from forebay.work.adapting import Adapting
from forebay.work.batch import Batch
from forebay.work.batches import Batches
from forebay.work.calls import Calls
from forebay.work.ends import Ends
from forebay.work.executor import Bounds, Executor
from forebay.work.feed import Begin, Feed
from forebay.work.feeding import Feeding
from forebay.work.feeds import plan
from forebay.work.governor import Governs, governors
from forebay.work.hearing import Hearing, name_of_hook, watched
from forebay.work.host import born, identity
from forebay.work.link import Report
from forebay.work.pools import Pools
from forebay.work.pressure import NoPressure, Pressure
from forebay.work.progress import Progress
from forebay.work.rules import Keeper
from forebay.work.run import Run, Stop
from forebay.work.runs import Runs
from forebay.work.settler import Settler
from forebay.work.storetime import StoreTime
from forebay.work.strays import Strays
from forebay.work.timekeeper import put_schedules

_logger = logging.getLogger("forebay.worker")
#: Unsettled outcomes above which nothing is leased.
UNSETTLED = 20_000
#: Seconds without an answer of the engine after which it is told what waits, and characters of a trouble that are told.
DEAF, _TOLD = 2.0, 500
#: Seconds that what is told to stop gets to notice when the worker has to go now; and all that is done then, together.
LAST_CALL, FAREWELL = 2.0, 4.0
#: Seconds between looks for cancellations while the engine does not answer, at the most.
_LONGEST = 5.0


class Worker:
    """Runs an app's messages on the present loop, under one lease.

    Args:
        stuck: told of a task that cannot be stopped, with the outcome it is to have; its process has to go.

    Raises:
        ConfigError: threads here are greenlets.

    Attributes:
        announce: told of the hook of its start or end that it is in, and of "" after it.
        orphaned: whether whoever it works for has ended; it takes nothing new then.
        begin, ruled, pools, ends: where messages begin, are judged, run, and where ends are told.
        time: the store's, as far as it is known here. feeding: which queues its tasks publish into.
    """

    def __init__(
        self, app: Forebay, options: WorkerOptions, id_: str, stuck: Callable[[Run, Outcome], None] | None = None
    ) -> None:
        refuse_greenlets()
        self.id, self._app, self._options, self._born = id_, app, options, born()
        self._loop, self._scope = asyncio.get_running_loop(), contextvars.copy_context()
        settings, mild = app.settings, not options.starts
        self.time = StoreTime(app.clock)
        self._progress = Progress(app.store, app.producer.seal)
        self._settler = Settler(app.engine, id_, self._progress.keep)
        self._hearing = Hearing(app.registry.on_failure, app.producer)
        self.ends = Ends(app.engine, id_, self._settler, self._hearing, verbose=options.verbose)
        executor = Executor(app.registry.tasks, Bounds.of(settings), self._progress.report, self.time, id_)
        executor.providers.specs = app.registry.providers
        self.feeding = executor.feeding = Feeding() if settings.pressure else None
        self._governors: tuple[Governs, ...] = (
            *governors(app.engine, app.store, executor.providers, app.registry.tasks, self.queues(), mild=mild),
            NoPressure(app.store) if self.feeding is None else Pressure(app, self.feeding, mild=mild),
            Keeper(app.store, executor.rules, self.queues(), app.producer.seal),
        )
        self._runs = Runs(executor, self.ends, self.idle)
        self._runs.pools = self.pools = Pools(
            executor, options, settings, self._scope,
            done=self._runs.finish, stuck=stuck or _no_help, progressed=self._progress.newest,
        )  # fmt: skip
        self.begin: Begin = self._runs.begin
        self.ruled: Callable[[Delivery], bool] = self._runs.ruled
        self._feeds, self._calls, self._batches = self._make_feeds()
        self._adapting = Adapting(options, self._feeds, self._runs)
        self._governors += (self._adapting,)
        self._strays = Strays(app.engine, app.store, id_, self._known, lambda: any(p.asking for p in self._parts))
        self.missed: Callable[[], object] = self._strays.missed
        self._tasks, self._services = list[asyncio.Task[Any]](), list[asyncio.Task[Any]]()
        self._idle = asyncio.Event()
        self._heard, self._holds, self._hook, self._hook_since = time.monotonic(), False, "", 0.0
        self.announce: Callable[[str], object] = str
        self.orphaned: Callable[[], bool] = bool

    def _make_feeds(self) -> tuple[list[Feed], Calls[Batch, None], list[Batches]]:
        """Queues of raw messages by their consumer, all else by feeds."""
        registry, engine, queues = self._app.registry, self._app.engine, self.queues()
        raw = [queue for queue in queues if queue in registry.consumers]
        wants = plan(registry.tasks.values(), [queue for queue in queues if queue not in raw], self._options)
        feeds = [Feed(engine, self, want) for want in wants]
        calls = Calls(max(1, len(raw)), self._scope, Batch.note, _over)
        return feeds, calls, [Batches(engine, self, registry.consumers[q], self._app.producer, calls) for q in raw]

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

    def at_work(self) -> list[tuple[str, str, float]]:
        """What runs now: task or hook, message id, seconds so far; of a batch, its first message for all."""
        now = time.monotonic()
        hook = [(self._hook, "", now - self._hook_since)] if self._hook else []
        runs = hook + [(run.task.name, run.delivery.id, now - run.started) for run in self._runs]
        return runs + [one for batch in self._batches for one in batch.at_work()] + self._hearing.at_work()

    @property
    def done(self) -> int:
        """Messages that ended well here."""
        return self.ends.done

    @property
    def failed(self) -> int:
        """Attempts that failed here."""
        return self.ends.failed

    @property
    def proved(self) -> float:
        """Seconds since the oldest of the feeds' last round trips: how honest liveness is known.

        While it drains nobody leases, and the look for cancellations tells.
        """
        if self._hook:  # of its end: it needs nothing of the engine any more
            return 0.0
        last = [part.proved for part in self._parts] if self._tasks else [self._heard]
        return time.monotonic() - min(last)

    @property
    def unsettled(self) -> str:
        """Why outcomes are left that the engine has not taken; "" if none are."""
        return (self._settler.trouble or "it does not answer")[:_TOLD] if self._settler.pending else ""

    def _beat(self, state: str, rss: int = 0) -> Beat:
        """The heartbeat of this worker, as of now."""
        return Beat(
            worker=self.id, lease=self._app.settings.lease, host=identity(), node=platform.node(), pid=os.getpid(),
            born=self._born, queues=self.queues(), concurrency=self._adapting.slots,
            most=self._adapting.most, running=self.running, done=self.done, failed=self.failed,
            proved=self.proved, state=state, rss=rss,
        )  # fmt: skip

    def report(self, state: str = "running", rss: int = 0) -> Report:
        """How it goes; while the engine does not answer, also what of it cannot be the fault of whatever waits here."""
        trouble = next(filter(None, (self._settler.trouble, *(part.trouble for part in self._parts))), "")
        deaf = trouble or self.proved > DEAF
        waits = [id_ for part in self._parts for id_ in part.waits()] + self._settler.given_up() if deaf else []
        return Report(beat=self._beat(state, rss), waits=waits, trouble=trouble[:_TOLD])

    @property
    def _parts(self) -> list[Feed | Batches]:
        return [*self._feeds, *self._batches]

    async def start(self, prepared: Callable[[], object] = lambda: None) -> None:
        """Call the app's `on_start` hooks, register under a lease, begin to lease messages.

        Args:
            prepared: called after the hooks; nothing is held here by then.

        Raises:
            ConfigError: a hook failed.
        """
        engine, poll = self._app.engine, self._app.settings.poll
        for queue in set(self._options.queues) - set(self._app.registry.queues):
            _logger.warning("queue %s: no task of this app is declared for it; served for what is sent there", queue)
        await engine.open()
        await self._app.producer.begin()
        for hook in self._app.registry.on_start:
            await self._call_first(hook)
        prepared()
        engine.hold()
        self._holds = True
        if self._app.registry.schedules:
            await put_schedules(self._app.store, self._app.registry.rows, mild=not self._options.starts)
        for one in self._governors:
            await one.declare()
        await engine.extend([self._beat("running")])
        governors = [one.run() for one in self._governors]
        services = self._settler.run(), self._progress.run(), self._listen(poll), self._strays.run(), *governors
        self._services = [self._loop.create_task(service) for service in services]
        self._tasks = [self._loop.create_task(part.run(poll)) for part in self._parts]

    async def failure(self) -> None:
        """Until a part of this worker ends by itself, which none should: raises what ended it."""
        watched = {*self._tasks, *self._services}
        while watched:
            ended, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                if not task.cancelled():
                    self._fail(task)
                    raise RuntimeError(f"{task.get_coro()} has come to an end")

    def _fail(self, task: asyncio.Task[Any]) -> None:
        try:
            task.result()
        except EngineClosed as error:
            raise EngineClosed("the engine was closed under its worker: no task may close it") from error

    async def drain(self, patience: float) -> bool:
        """Lease no more, hand back what has not started, let what runs end and settle it; whether all that was done.

        Within `patience` seconds, whatever the engine does. Cancellations are heard meanwhile.
        """
        await self._within(patience, self._end_in_order())
        return not self.running

    async def close(self, *, buried: bool = False, why: Stop = Stop.HAND_BACK) -> None:
        """Stop what still runs and hand it back, settle everything, call the app's `on_stop` hooks, end the pools.

        Args:
            why: `Stop.ORPHANED` counts a lost worker for all that still runs.
            buried: somebody buries this worker as soon as its process has ended. What cannot be stopped is left to them
                to hand back, so that it does not run twice at a time.
        """
        ends = self._loop.time() + FAREWELL
        await self._within(LAST_CALL, self._lease_no_more())
        self._runs.halt(why)
        for batch in self._batches:
            batch.halt(why)
        await self._within(LAST_CALL, self._quiet())
        if why is Stop.ORPHANED:
            self.ends.lose([*self._held()], str(why))
        elif not buried:  # threads in C code: they end with the process
            self.ends.hand_back([*self._held()])
        await self._within(ends - self._loop.time(), self._settler.empty())
        await self._within(ends - self._loop.time(), self._progress.flush())
        await self._within(ends - self._loop.time(), self._hearing.quiet())
        self._hearing.give_up()
        await self._stop(self._services)
        for hook in self._app.registry.on_stop if self._holds else ():
            await self._call_last(hook)
        self._calls.close()
        await self.pools.close()
        if not buried:
            with contextlib.suppress(EngineError):
                await self._within(LAST_CALL, self._app.engine.recover([self.id]))
        if self._holds:
            self._holds = False
            self._app.engine.let_go()

    async def _end_in_order(self) -> None:
        await self._lease_no_more()
        await self._quiet()
        await self._settler.empty()
        await self._hearing.quiet()

    async def _lease_no_more(self) -> None:
        """Stop leasing, and hand back what has not started."""
        await self._stop(self._tasks)
        for part in self._parts:
            part.drop()
        self.ends.hand_back(await self._strays.left(self.queues()))

    def _held(self) -> Iterator[Delivery]:
        """What runs here."""
        yield from (run.delivery for run in self._runs)
        for batch in self._batches:
            yield from batch.called

    def _known(self) -> set[str]:
        """The ids of all that is known here: what waits, what runs, and what is not settled yet."""
        waiting = [id_ for part in self._parts for id_ in part.waits()]
        return {*waiting, *(delivery.id for delivery in self._held()), *self._settler.holds()}

    async def _within(self, patience: float, part: Coroutine[Any, Any, Any]) -> None:
        """Do a part of the leaving for as long as there is time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if patience == float("inf") else max(0.0, patience)):
                await part

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
        """Hear of cancellations even when there is no room to lease, and while this worker leaves."""
        name, trouble, pause = "looking for cancellations", Trouble(_logger), poll
        while True:
            try:
                leased = await self._app.engine.lease(Want(self.id, (), 0))
                self._heard = time.monotonic()
                self.time.heard(leased.now)
                self.revoke(leased.cancelled)
                trouble.over(name)
                pause = poll
                await self._app.engine.wait((), poll * 5, leased.news)
            except EngineClosed:
                raise
            except EngineError as error:
                trouble.tell(name, error, advice="trying again, without a word until that changes")
                await asyncio.sleep(pause)
                pause = max(poll, min(pause * 2, _LONGEST))

    async def _call_first(self, hook: Callable[[], Any]) -> None:
        try:
            await self._call("on_start", hook)
        except Exception as error:
            hooked = name_of_hook(hook)
            _logger.exception("on_start hook %s failed", hooked)
            raise ConfigError(f"on_start hook {hooked} failed: {name_of(error)}: {text_of(error)}") from error

    async def _call_last(self, hook: Callable[[], Any]) -> None:
        drain = self._options.drain
        limit = asyncio.timeout(None if drain == float("inf") else drain)
        try:
            async with limit:
                await self._call("on_stop", hook)
        except Exception:
            if limit.expired():
                _logger.warning("on_stop hook %s has not ended after %g s: given up", name_of_hook(hook), drain)
            else:
                _logger.exception("on_stop hook %s failed", name_of_hook(hook))

    async def _call(self, occasion: str, hook: Callable[[], Any]) -> None:
        """In the scope that each run begins with a copy of: what a hook sets there, they see."""
        self._hook, self._hook_since = f"{occasion} hook {name_of_hook(hook)}", time.monotonic()
        self.announce(self._hook)
        try:
            with watched(occasion, hook):
                value = self._scope.run(hook)
                if inspect.isawaitable(value):
                    await self._loop.create_task(_result(value), context=self._scope)
        finally:
            self._hook = ""
            self.announce("")

    # --- Host: what a feed asks of its worker ---

    def revoke(self, ids: Collection[str]) -> None:
        """Stop these, wherever they are here."""
        if ids:
            self._runs.revoke(ids)
            for part in self._parts:
                part.revoke(ids)

    def held(self) -> bool:
        """No leases while outcomes pile up, nor for nobody, nor while it is looked for strays."""
        return self._settler.pending > UNSETTLED or self._strays.looking or self.orphaned()

    def idle(self) -> None:
        """Something that ran has ended."""
        if not self.running:
            self._idle.set()


def _over(batch: Batch, _: None) -> None:
    batch.over(batch)


def _no_help(run: Run, _: Outcome) -> None:
    _logger.error("%s %s runs past its timeout and cannot be stopped here", run.task.name, run.delivery.id)


async def _result(value: Any) -> Any:
    return await value
