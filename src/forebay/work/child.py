"""A worker process: `python -m forebay.work.child FD ID OPTIONS`, started by a supervisor and by nobody else."""

import asyncio
import logging
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import msgspec

from forebay.app import Forebay
from forebay.config import Settings, WorkerOptions, masked
from forebay.engine import own
from forebay.engine.outage import LOGGER as OUTAGES
from forebay.engine.registry import absolute
from forebay.engine.waiting import call_in, drive
from forebay.model.errors import ConfigError, EngineError, ForebayError, LeaseLost, SchemaTooNew
from forebay.model.outcome import Outcome
from forebay.work import sayings, stdio
from forebay.work.aside import aside
from forebay.work.groups import defaults_in_forks, end_with_session
from forebay.work.host import descriptors_used_up, rss
from forebay.work.leave import leave
from forebay.work.link import AT_ONCE, Broken, Buried, Hello, Known, Leaving, Link, Stuck, Within, broken
from forebay.work.log import Log
from forebay.work.loop import located, new_loop
from forebay.work.parts import watch_threads
from forebay.work.run import Run, Stop
from forebay.work.shortage import offer
from forebay.work.stacks import dump_on_quit
from forebay.work.unmeant import pass_by
from forebay.work.worker import Worker
from forebay_command import imported

#: Exit codes: ended as asked; could not start, or cannot go on.
DONE, BROKEN = 0, 2
#: Seconds between reports, and between looks at the number of tasks when that is limited.
_REPORT, _COUNT = 1.0, 0.05
#: Seconds without a descriptor left after which a process is replaced: most who need many for a moment give them back.
_FULL = 2.0
#: Seconds between two words about what is waited for.
_SAY = 5.0
#: Seconds that a child gets to hand back what it holds when its parent is gone, under a last lease of its own.
FAREWELL = 5.0
#: Seconds that the engine gets to close in good order, which saves the next one work and nothing else.
CLOSE = 1.0
#: Signals that tell it to stop.
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Seconds that a busy thread keeps the interpreter from another. Python's 5 ms let the writer wait for a loop that is
#: busy with tiny tasks, and then the loop for the writer: 0.5 ms more than doubled the throughput of both.
SWITCH = 0.0005

_logger = logging.getLogger("forebay.worker")


class Child:
    """One worker under its supervisor: reports, obeys signals, recycles itself."""

    def __init__(self, link: Link, id_: str, options: WorkerOptions, app: Forebay) -> None:
        self._link, self._id, self._options, self._app = link, id_, options, app
        self._signals, self._last = Counter[int](), dict[int, float]()
        self._term = asyncio.Event()
        self._now = asyncio.Event()
        self._orphaned, self._parent = threading.Event(), os.getppid()
        self._state, self._outdated, self._said = "running", False, -math.inf
        self._full = math.inf  # since when no descriptor is left

    async def run(self, settle: Callable[[], object]) -> bool:
        """Work until told to stop, or worn out; whether its parent was gone in the end.

        Args:
            settle: called when the user's code has had its chance to set up logging.

        Raises:
            ForebayError: it cannot start, or a part of it cannot go on.
        """
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)  # nothing is held yet: it may go at once, whatever hangs
        os.register_at_fork(after_in_child=lambda: loop.call_soon(os._exit, 0))  # a task's child is no second worker
        await self._app.engine.open(starts=self._options.starts)
        settings = absolute(self._app.settings)  # before the user's code goes anywhere else
        worker = Worker(self._app, self._options, self._id, self._stuck)
        worker.orphaned = self._link.ended  # else it would take what another one hands back for the same reason
        worker.announce = lambda hook: self._link.send(Within(hook=hook))
        dump_on_quit(loop, worker.pools.dump)
        pass_by(loop, _logger)
        await worker.start(self._listen)
        settle()
        watch_threads(self._part_ended)
        self._link.send(self._hello(settings, worker))
        follow = partial(self._follow_parent, loop, worker)
        own.begin(threading.Thread(target=follow, name="forebay-orphan", daemon=True))
        try:
            await self._until_stop(worker)
        except SchemaTooNew as error:
            self._make_way(error)
        await self._leave(worker)
        with suppress(TimeoutError):
            await asyncio.wait_for(aside(drive, self._app.close()), CLOSE)
        await _end_tasks()
        return self._orphaned.is_set()

    def _hello(self, settings: Settings, worker: Worker) -> Hello:
        tasks = self._app.registry.tasks.values()
        limits = {t.name: t.running.timeout + t.running.grace for t in tasks if t.running.timeout is not None}
        queues = worker.queues()
        served = sum(task.waiting.queue in queues for task in tasks)
        hooks = len(self._app.registry.on_failure) > 0
        return Hello(settings=settings, beat=worker.report().beat, limits=limits, tasks=served, hooks=hooks)

    async def _until_stop(self, worker: Worker) -> None:
        """Until TERM, or until there is a reason to be replaced. A part that ends raises here."""
        failure: asyncio.Task[Any] = asyncio.create_task(worker.failure())
        asked: asyncio.Task[Any] = asyncio.create_task(self._term.wait())
        pause = _COUNT if self._options.max_tasks else _REPORT
        reported = -math.inf
        why: tuple[int, str] | None = None
        try:
            while not asked.done() and (why := self._worn_out(worker)) is None:
                if failure.done():
                    self._report(worker)
                    failure.result()
                    raise EngineError("a part of this worker has ended, and it cannot go on without")
                if (now := asyncio.get_running_loop().time()) - reported >= _REPORT:
                    self._report(worker)
                    reported = now
                await asyncio.wait((asked, failure), timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if why is not None:
                _logger.log(why[0], "worker %s is replaced once what it runs has ended: %s", self._id, why[1])
        finally:
            failure.cancel()
            asked.cancel()

    def _make_way(self, error: SchemaTooNew) -> None:
        """A newer Forebay has migrated the file: tell the parent, and lease no more; what runs gets a drain to end."""
        self._link.send(broken(error))
        self._outdated = True
        self._term.set()

    async def _leave(self, worker: Worker) -> None:
        """Let what runs end: for as long as it takes unless somebody waits for us, then for the time of the drain."""
        self._state = "draining"
        draining: asyncio.Task[Any] = asyncio.create_task(worker.drain(math.inf))
        ends = asyncio.Event().wait() if self._outdated else worker.failure()  # of what failed, what runs knows nothing
        failure: asyncio.Task[Any] = asyncio.create_task(ends)
        await self._either(worker, (draining, failure), self._term, math.inf)
        await self._either(worker, (draining, failure), self._now, self._options.drain)
        draining.cancel()
        if failure.done() and not failure.cancelled() and (error := failure.exception()) is not None:
            _logger.error("leaving at once: %s", error)
        failure.cancel()
        if self._orphaned.is_set():
            with suppress(EngineError):
                beat = worker.report(self._state).beat
                await self._app.engine.extend([msgspec.structs.replace(beat, lease=max(beat.lease, FAREWELL))])
        why = Stop.ORPHANED if self._orphaned.is_set() and not self._told else Stop.HAND_BACK
        closing: asyncio.Task[Any] = asyncio.create_task(worker.close(buried=not self._orphaned.is_set(), why=why))
        await self._either(worker, (closing,), asyncio.Event(), math.inf)
        await closing
        self._link.send(Leaving(unsettled=worker.unsettled))

    async def _either(
        self, worker: Worker, ends: tuple[asyncio.Task[Any], ...], event: asyncio.Event, patience: float
    ) -> None:
        """Until one of these has ended, or `event` comes, or patience ends; reporting all the while."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Task[Any] = loop.create_task(event.wait())
        until, watched = loop.time() + patience, {*ends, waiting}
        while not any(task.done() for task in watched) and (left := until - loop.time()) > 0:
            self._report(worker)
            if loop.time() - self._said >= _SAY and (running := worker.at_work()):
                _logger.info("worker %s: %s", self._id, sayings.waiting(running))
                self._said = loop.time()
            await asyncio.wait(watched, timeout=min(_REPORT, left), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def _report(self, worker: Worker) -> None:
        self._link.send(worker.report(self._state, rss()))

    def _asked_to_stop(self, number: int) -> None:
        """The first time: drain. The second: cancel, hand back, go. What comes twice at once was sent once."""
        before, self._last[number] = self._last.get(number, -math.inf), time.monotonic()
        if self._last[number] - before < AT_ONCE:
            return
        self._signals[number] += 1
        if self._told:
            self._term.set()
        if self._told > 1:
            self._now.set()

    @property
    def _told(self) -> int:
        """How often it was told to stop: of one TERM to all processes it hears by itself, and by another signal."""
        return max(self._signals.values(), default=0)

    def _listen(self) -> None:
        """From now on something is held here; whatever the user's code does with signals where it is imported."""
        for number in _STOPS:
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop, number)
        defaults_in_forks()

    def _follow_parent(self, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        """Hear what the parent says. Once it is gone nobody renews the lease: hand everything back and go.

        Or just go, if the loop does not even hear it.

        A parent that says TERM before it ends was told to leave. One that ends without a word may have been taken down
        by what runs here, which counts that as a lost worker.

        A thread, because a task may block the loop.
        """

        def heard(one: Buried) -> None:
            known = partial(self._link.send, Known(id=one.delivery.id, fence=one.delivery.fence))
            call_in(loop, worker.ends.buried, one.delivery, one.outcome, known)

        self._link.listen(heard)
        _until_gone(self._parent)  # then `ended` is true for all its workers: none takes what others hand back
        call_in(loop, self._hurry)
        if self._orphaned.wait(self._app.settings.lease / 2):
            threading.Event().wait(FAREWELL)
        end_with_session()
        os._exit(BROKEN)

    def _hurry(self) -> None:
        how = "as it was told to" if self._told else "without a word, which counts as a lost worker for what runs here"
        _logger.error("the supervisor has ended %s: handing back and leaving", how)
        self._orphaned.set()
        self._term.set()
        self._now.set()

    def _worn_out(self, worker: Worker) -> tuple[int, str] | None:
        """Why another process has to take its place, and how a log takes that; None if none has to."""
        options, count = self._options, worker.done + worker.failed
        if options.max_tasks and count >= options.max_tasks:
            return logging.INFO, f"{count:,} messages, and --max-tasks is {options.max_tasks:,}"
        if options.max_memory and (used := rss()) > options.max_memory:
            text = f"{used / 1e6:,.0f} MB of memory, and --max-memory is {options.max_memory / 1e6:,.0f} MB"
            return logging.WARNING, text
        if not (full := descriptors_used_up()):
            self._full = math.inf
        self._full = min(self._full, time.monotonic())
        if full and time.monotonic() - self._full >= _FULL:
            text = (
                f"all of its {full:,} file descriptors (ulimit -n) are in use: nothing in it can open a file or connect"
            )
            return logging.WARNING, text
        return None

    def _part_ended(self, why: str) -> None:
        """Called in a thread that ends: the loop may wait for it for ever, so this process goes here and now."""
        self._link.send(Broken(text=f"it cannot go on: {why}"))
        os._exit(BROKEN)

    def _stuck(self, run: Run, result: Outcome) -> None:
        self._link.send(Stuck(id=run.delivery.id, outcome=result))


def _until_gone(parent: int) -> None:
    """Until a parent that ends has ended, for a second at the most: its ends of all links are closed before that."""
    until = time.monotonic() + 1.0
    while os.getppid() == parent and time.monotonic() < until:
        time.sleep(0.002)


def _load(options: WorkerOptions) -> Forebay:
    app = located(options)
    if not app.engine.capabilities.shared:
        text = "lives inside one process, and a worker is several: use sqlite:///name.db, or `forebay dev`"
        raise ConfigError(f"{masked(app.settings.url)} {text}")
    return app


async def _run(link: Link, id_: str, options: WorkerOptions, app: Forebay, log: Log) -> bool:
    return await Child(link, id_, options, app).run(log.settle)


async def _end_tasks() -> None:
    """What the user's code has left on the loop is cancelled, as at the end of `asyncio.run`, and gets a moment."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=1.0)


def main() -> NoReturn:
    """Run one child to its end."""
    imported()
    fd, id_, blob = sys.argv[1:4]
    sys.setswitchinterval(SWITCH)
    link, options = Link(int(fd)), msgspec.json.decode(blob, type=WorkerOptions)
    offer()
    log, code, orphaned = Log(options), DONE, False
    stdio.show_at_once()
    logging.getLogger(OUTAGES).setLevel(logging.ERROR)  # its supervisor tells of them: once, however many children
    try:
        loop = new_loop(options)
        asyncio.set_event_loop(loop)  # for code that asks for it where it is imported
        app = _load(options)
        log.settle()
        orphaned = loop.run_until_complete(_run(link, id_, options, app, log))
    except BaseException as error:
        if not isinstance(error, ForebayError) or os.environ.get("FOREBAY_DEBUG", "0") not in ("", "0"):
            _logger.critical("this worker process cannot go on", exc_info=error)
        if isinstance(error, LeaseLost):  # told here, for who would tell it may be what has stopped
            _logger.error("%s", sayings.unrenewed(id_, os.getppid()))
        link.send(broken(error))
        code = BROKEN
    leave(code, end_with_session if orphaned else lambda: None)


if __name__ == "__main__":
    main()
