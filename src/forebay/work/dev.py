"""Everything in one process, for development: worker, scheduler, keeper. Nothing here survives a crash of its own."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncGenerator
from typing import Any

from forebay.app import Forebay
from forebay.config import WorkerOptions
from forebay.locate import locate
from forebay.model.errors import LeaseLost
from forebay.model.ids import new_id
from forebay.work.aside import aside
from forebay.work.child import new_loop
from forebay.work.keeper import Keeper
from forebay.work.log import Log
from forebay.work.stacks import dump_on_quit
from forebay.work.worker import Worker

_logger = logging.getLogger("forebay.dev")


@contextlib.asynccontextmanager
async def working(app: Forebay, options: WorkerOptions | None = None) -> AsyncGenerator[Worker]:
    """A worker of `app` inside this process, for as long as the block lasts."""
    options = options or WorkerOptions()
    worker = Worker(app, options, new_id())
    await worker.start()
    loop, thread = _keep_apart(app, worker, options)
    try:
        yield worker
    finally:
        await worker.drain(options.drain)
        await worker.close()
        loop.call_soon_threadsafe(loop.stop)
        await aside(thread.join)


def _keep_apart(
    app: Forebay, worker: Worker, options: WorkerOptions
) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    """The keeper on a loop and thread of its own, so that a task that blocks the worker's loop keeps its lease."""
    loop = asyncio.new_event_loop()
    parts = (app.engine, app.store, app.clock)
    keeper = Keeper(parts, lambda: [worker.report().beat], _lost, app.settings.lease, options.schedules)

    def serve() -> None:
        task = loop.create_task(keeper.run())
        loop.run_forever()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=serve, name="forebay-keeper", daemon=True)
    thread.start()
    return loop, thread


def _lost(worker: str) -> None:
    _logger.debug("worker %s cannot be renewed; it hears of it when it next leases", worker)


def run_dev(options: WorkerOptions) -> int:
    """Run the app's worker here until Ctrl-C or TERM; the exit code.

    Raises:
        ForebayError: the app or its engine cannot be used.
    """
    log = Log(options)
    app = locate(options.app)
    log.settle()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_until_stopped(app, options))
    return 0


async def _until_stopped(app: Forebay, options: WorkerOptions) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    dump_on_quit(loop)
    stopped = loop.create_task(stop.wait())
    async with app:
        while not stopped.done():
            try:
                await _work(app, options, stopped)
            except LeaseLost:
                _logger.error("this process did not run for longer than its lease: restarting")


async def _work(app: Forebay, options: WorkerOptions, stopped: asyncio.Task[Any]) -> None:
    """One worker, until it is told to stop or a part of it fails, which raises."""
    async with working(app, options) as worker:
        failure: asyncio.Task[Any] = asyncio.create_task(worker.failure())
        await asyncio.wait((stopped, failure), return_when=asyncio.FIRST_COMPLETED)
        if failure.done():
            failure.result()
        failure.cancel()
