"""Everything in one process, for development: worker, scheduler, keeper. Nothing here survives a crash of its own."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any

from msgspec.structs import replace

from forebay.app import Forebay
from forebay.config import WorkerOptions
from forebay.engine.registry import absolute
from forebay.engine.waiting import call_in
from forebay.model.delivery import Delivery
from forebay.model.errors import LeaseLost
from forebay.model.ids import new_id
from forebay.model.outcome import Outcome, describe
from forebay.work import sayings, stdio
from forebay.work.aside import aside
from forebay.work.failures import fate
from forebay.work.keeper import Keeper
from forebay.work.leave import PATIENCE, leave, leave_within
from forebay.work.log import Log
from forebay.work.loop import located, new_loop
from forebay.work.parts import watch_threads
from forebay.work.stacks import dump_on_quit
from forebay.work.telling import level_of, tell
from forebay.work.unmeant import pass_by
from forebay.work.worker import Worker

_logger = logging.getLogger("forebay.dev")
#: Signals that tell it to stop.
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextlib.asynccontextmanager
async def working(
    app: Forebay,
    options: WorkerOptions | None = None,
    hurry: asyncio.Event | None = None,
    prepared: Callable[[], object] = lambda: None,
) -> AsyncGenerator[Worker]:
    """A worker of `app` inside this process, for as long as the block lasts.

    Args:
        prepared: called when the app's `on_start` hooks have returned.
        hurry: set when what still runs is to be handed back, whatever time it has left.
    """
    options = options or WorkerOptions()
    worker = Worker(app, options, new_id())
    await app.engine.open(starts=options.starts)
    await worker.start(prepared)
    keeper = _Apart(app, worker, options)
    try:
        yield worker
    finally:
        await _either(worker.drain(options.drain), (hurry or asyncio.Event()).wait())
        await worker.close()
        await aside(keeper.stop)


async def _either(*both: Any) -> None:
    """Until one of them has ended; the other one is called off."""
    tasks = [asyncio.ensure_future(one) for one in both]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


class _Apart:
    """The keeper on a loop and thread of its own, so that a task that blocks the worker's loop keeps its lease."""

    def __init__(self, app: Forebay, worker: Worker, options: WorkerOptions) -> None:
        parts = (app.engine, app.store, app.clock)
        here = asyncio.get_running_loop()

        def lost(delivery: Delivery, result: Outcome) -> None:
            tell(level_of(delivery, result), delivery, describe(fate(delivery, result)), result=result)
            call_in(here, worker.ends.buried, delivery, result)

        keeper = Keeper(parts, lambda: [worker.report().beat], _lost, app.settings.lease, options.schedules, lost=lost)
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(keeper.run())
        self._thread = threading.Thread(target=self._serve, name="forebay-keeper", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        """An error ends the thread, which is heard."""
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def stop(self) -> None:
        """Keep no more."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()


def _lost(worker: str) -> None:
    _logger.debug("worker %s cannot be renewed; it hears of it when it next leases", worker)


def run_dev(options: WorkerOptions) -> int:
    """Run the app's worker here until Ctrl-C or TERM, and end this process.

    Raises:
        ForebayError: the app or its engine cannot be used.
    """
    stdio.keep_open()
    stdio.show_at_once()
    options = replace(options, verbose=True)
    log, loop = Log(options), new_loop(options)
    asyncio.set_event_loop(loop)  # for code that asks for it where it is imported
    app = located(options)
    log.settle()
    try:
        loop.run_until_complete(_Dev(app, options).run())
    except BaseException:
        leave_within(PATIENCE, 1, "exit handlers of the app have not ended")
        raise
    leave(0)


class _Dev:
    """One worker after the other, until told to stop."""

    def __init__(self, app: Forebay, options: WorkerOptions) -> None:
        self._app, self._options = app, options
        self._asked: Counter[int] = Counter()
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)  # nothing is held yet: it may go at once, whatever hangs
        dump_on_quit(asyncio.get_running_loop())
        pass_by(asyncio.get_running_loop(), _logger)
        watch_threads(lambda _: os._exit(1))
        await self._app.engine.open(starts=True)
        async with self._app as app:
            url = absolute(app.settings).url
            while not self._stop.is_set():
                try:
                    await self._work(url)
                except LeaseLost:
                    _logger.error("this process did not run for longer than its lease: restarting")
        _logger.info("stopped")

    def _listen(self) -> None:
        """From now on something is held here, and being told to stop takes its order."""
        for number in _STOPS:
            asyncio.get_running_loop().add_signal_handler(number, self._told, number)

    async def _work(self, url: str) -> None:
        """One worker, until it is told to stop or a part of it fails, which raises."""
        async with working(self._app, self._options, self._hurry, self._listen) as worker:
            queues = worker.queues()
            tasks = sum(task.waiting.queue in queues for task in self._app.registry.tasks.values())
            banner = sayings.banner(self._options, url, queues, tasks)
            _logger.info("%s", banner)
            failure: asyncio.Task[Any] = asyncio.create_task(worker.failure())
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait((stopped, failure), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if failure.done():
                failure.result()
            failure.cancel()
            if running := worker.at_work():
                _logger.info("%s", sayings.waiting(running))

    def _told(self, number: signal.Signals) -> None:
        """Drain first, hand back the second time, end the third.

        Counted for each signal: of one Ctrl-C, or of a TERM to all processes, this one hears by itself, and by another
        signal from the one that restarts it.
        """
        self._asked[number] += 1
        times = max(self._asked.values())
        if times > 1 or not self._stop.is_set():
            _logger.info("%s", sayings.stopping(number.name, times, self._options.drain))
        self._stop.set()
        if times > 1:
            self._hurry.set()
        if times > 2:
            os._exit(1)
