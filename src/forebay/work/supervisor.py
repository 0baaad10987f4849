"""The parent of worker processes: starts them, renews their leases, buries the dead at once, kills the stuck.

It imports none of the user's code. From each child it knows what the child said: the engine's address, how it goes, and
which task cannot be stopped. None of its own parts ends unheard: one that does ends all of it, in order.
"""

import asyncio
import contextlib
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from forebay.config import Settings, WorkerOptions
from forebay.engine.backend import Whole
from forebay.engine.contract import Beat
from forebay.engine.trouble import Trouble
from forebay.engine.waiting import call_in
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineError, ForebayError, SchemaTooNew, text_of
from forebay.model.outcome import Lose
from forebay.model.ruling import SILENT
from forebay.work import sayings, stdio
from forebay.work.burst import until_spent
from forebay.work.keeper import Keeper
from forebay.work.leave import leave_within
from forebay.work.link import Broken, Hello, Leaving, Stuck
from forebay.work.log import configure_logging
from forebay.work.lookout import Limits, Lookout
from forebay.work.offspring import Offspring, bear
from forebay.work.opening import opened
from forebay.work.parts import watch_threads
from forebay.work.stacks import dump_on_quit
from forebay.work.tidings import Tidings
from forebay.work.unmeant import pass_by

_logger = logging.getLogger("forebay.supervisor")
#: A child that lives shorter than this is restarted with a growing pause.
_SHORT, _PAUSE, _LONGEST = 5.0, 0.5, 30.0
#: The longest pause if its end cost messages their worker: each can do that a few times only, and the others wait.
_COSTLY = 1.0
#: Seconds until a child that could not be started is tried again: the host had no room for it.
_NO_ROOM = 1.0
#: Seconds that a child may take to start until the log says so.
_LATE = 10.0
#: Seconds beyond its drain, and after a second TERM, that a child gets to leave before it is killed.
LEAVE = 5.0
#: Children of one place that may drain beside the one that works, until the oldest of them is told to hand back.
LEAVING = 3


class Supervisor:
    """Runs `options.processes` children until told to stop."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._children: dict[str, Offspring] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._settings = Settings()
        self._backend: Whole | None = None
        self._reached = False  # whether a child has had the engine open: then its address is right
        self._introduced = False
        self._keeper: Keeper | None = None
        self._opening = asyncio.Lock()
        self._services: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._asked, self._heard = 0, signal.SIGTERM
        self._failure: ForebayError | None = None
        self._trouble = Trouble(_logger)
        self._tidings = Tidings(lambda: list(self._children.values()))

    async def run(self) -> None:
        """Until told to stop, and all children have left.

        Raises:
            ConfigError: the app cannot be used.
            EngineUnreachable: its engine cannot.
            ForebayError: a part of this process ended.
        """
        loop = asyncio.get_running_loop()
        self._hear_signals(loop)
        watch_threads(lambda why: call_in(loop, self._fail, EngineError(f"the supervisor cannot go on: {why}")))
        places = [self._part(f"place {number}", self._keep_one()) for number in range(self._options.processes)]
        await asyncio.gather(*places)
        while self._lives:
            await asyncio.wait(self._lives)
        await _end(self._services)
        self._tidings.close()
        leave_within(LEAVE, 1, "the engine has not closed")
        if self._backend is not None:
            await self._backend.close()
        if self._failure is not None:
            raise self._failure
        _logger.info("all worker processes have left")

    def _serve(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start something that goes on until the end."""

        async def endless() -> None:
            await work()
            raise EngineError("it returned")

        self._services.append(asyncio.create_task(self._part(name, endless())))

    async def _part(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A part of this process. If it fails, so does all of it: children leave in order while that is possible."""
        try:
            await work
        except Exception as error:
            _logger.critical("the supervisor cannot go on: %s failed", name, exc_info=error)
            self._fail(EngineError(f"the supervisor cannot go on: {name} failed: {text_of(error)}"))

    # --- told to stop ---

    def _hear_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        dump_on_quit(loop, self._quit)
        pass_by(loop, _logger)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # unless started by nohup
                loop.add_signal_handler(number, self._told, number)

    def _quit(self) -> None:
        _logger.info("SIGQUIT: where everything stands goes to standard error; all go on")
        for child in self._children.values():
            child.signal(signal.SIGQUIT)

    def _told(self, number: signal.Signals) -> None:
        """Drain first, insist the second time, kill the third."""
        self._heard = self._heard if self._asked else number
        self._asked += 1
        begun = any(child.beat is not None for child in self._children.values()) or not self._children
        _logger.info("%s", sayings.stopping(number.name, self._asked, self._options.drain, begun))
        self._stop(self._options.drain if self._asked == 1 else 0.0)
        if self._asked > 2:
            self._insist()

    def _stop(self, drain: float) -> None:
        """Each child understands it the same way: drain, then hand back; one that does not is killed."""
        self._stopping.set()
        for child in self._children.values():
            child.stop(self._heard)
        loop = asyncio.get_running_loop()
        if drain < math.inf:
            loop.call_later(drain + LEAVE, self._insist)
        for child in [child for child in self._children.values() if child.beat is None]:
            loop.call_later(LEAVE, self._not_even_started, child)

    def _not_even_started(self, child: Offspring) -> None:
        """It runs nothing, so nothing is lost when it goes."""
        if child.alive and child.beat is None:
            what = f"its {child.hook} has not ended" if child.hook else "it has not started"
            _logger.warning("worker %s does not leave, for %s: ending its process", child.id, what)
            child.kill({})

    def _insist(self) -> None:
        for child in self._children.values():
            self._end_of_patience(child)

    def _end_of_patience(self, child: Offspring) -> None:
        if not child.alive:
            return
        if self._answered and child.proved(self._settings.lease) is False:
            _logger.error("worker %s does not leave, and gets no answer from its engine: ending its process", child.id)
            child.lose(f"its worker got no answer from the engine any more{child.trouble and f': {child.trouble}'}")
        else:
            what = f", for its {child.hook} has not ended" if child.hook else ""
            _logger.error(
                "worker %s does not leave%s: ending its process, what it holds is handed back", child.id, what
            )
            child.kill({})

    @property
    def _answered(self) -> bool:
        """Whether the engine answers here: it is not the engine, if a child gets no answer."""
        return self._keeper is not None and self._keeper.answered

    def _fail(self, error: ForebayError) -> None:
        """Nothing can be done here; the first reason stands. Nobody may be renewing leases any more, so it is soon."""
        if self._failure is None:
            self._failure = error
            patience = min(self._options.drain, self._settings.lease / 2)
            self._stop(patience)
            leave_within(patience + 2 * LEAVE, 1, "worker processes have not left")

    # --- children ---

    async def _keep_one(self) -> None:
        """Keep one place filled with a child. One that leaves by itself is replaced while it still drains."""
        pause, leaving = 0.0, list[Offspring]()
        while not self._stopping.is_set():
            child = await self._start()
            if child is None:
                await self._rest(_NO_ROOM)
                continue
            await child.left.wait()
            if self._stopping.is_set():
                return
            if (reason := self._hopeless(child)) is not None:
                self._fail(reason)
                return
            leaving = [one for one in (*leaving, child) if one.alive]
            if len(leaving) > LEAVING:
                self._hurry(leaving.pop(0))
            pause = await self._breathe(child, pause)

    def _hurry(self, child: Offspring) -> None:
        """One that was replaced long ago still runs something: from now on it has the time of a drain."""
        running, drain = child.beat.running if child.beat else 0, self._options.drain
        _logger.warning(
            "worker %s was replaced and still runs %d messages, as do %d that came after it: it has %g s to end them, "
            "then they are handed back (give tasks that may hang a timeout=)", child.id, running, LEAVING, drain,
        )  # fmt: skip
        child.stop()
        if drain < math.inf:
            asyncio.get_running_loop().call_later(drain + LEAVE, lambda: child.kill({}))

    def _hopeless(self, child: Offspring) -> ForebayError | None:
        """Why the next child would not get any further, if so: none ever did, and this one was not killed."""
        if self._backend is not None or self._reached:
            return None
        if child.broken is not None:
            return child.broken.error()
        if child.code >= 0:
            return ConfigError(f"a worker process ended with code {child.code} before it could say why: see above")
        return None

    async def _breathe(self, child: Offspring, pause: float) -> float:
        """Pause before the next child, if children end soon after they start; the next pause."""
        if child.broken is not None:
            _logger.error("a worker failed: %s", child.broken.text)
        if time.monotonic() - child.born > _SHORT or child.alive:
            return 0.0
        if pause:
            _logger.error("workers end soon after they start: next one in %.1f s", pause)
            await self._rest(pause)
        return min(max(_PAUSE, pause * 2), _COSTLY if child.cost else _LONGEST)

    async def _rest(self, pause: float) -> bool:
        """Wait; whether it is time to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _start(self) -> Offspring | None:
        """A new child; None if the host has no room for one now."""
        name = "starting a worker process"
        try:
            child, ours = await bear(msgspec.structs.replace(self._options, starts=self._backend is None))
        except (OSError, RuntimeError) as error:
            self._trouble.tell(name, error, advice=f"trying again every {_NO_ROOM:g} s")
            return None
        self._trouble.over(name)
        self._children[child.id] = child
        asyncio.get_running_loop().call_later(_LATE, self._late, child)
        if self._stopping.is_set():
            child.stop(self._heard)
        life = asyncio.create_task(self._part(f"hearing worker {child.id}", self._live(child, ours)))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        return child

    def _late(self, child: Offspring) -> None:
        if child.alive and child.beat is None and not self._stopping.is_set():
            _logger.warning("%s", sayings.late(child.id, child.pid, _LATE, child.hook))

    async def _live(self, child: Offspring, ours: socket.socket) -> None:
        """One child from birth to burial."""
        try:
            async for line in child.hear(ours):
                match line:
                    case Hello():
                        await self._welcome(child, line)
                    case Stuck(id=id_, outcome=outcome):
                        _logger.error("worker %s: message %s cannot be stopped, ending its process", child.id, id_)
                        child.kill({id_: outcome})
                    case Broken(outdated=True, text=text):
                        self._fail(SchemaTooNew(text))
                    case Leaving() | Broken():
                        if isinstance(line, Leaving):
                            child.leave(line.unsettled if self._answered else "")
                        asyncio.get_running_loop().call_later(LEAVE, self._end_of_patience, child)
                    case _:
                        pass
        finally:
            child.over(await child.ended())
            await self._bury(child)
            child.left.set()

    async def _welcome(self, child: Offspring, hello: Hello) -> None:
        """Open the engine that the first child named, and start to keep."""
        self._reached = True
        async with self._opening:
            if self._backend is None and self._failure is None:
                self._introduce(hello)
                await self._open(hello.settings)
                if self._options.burst:
                    self._serve("the look for the end of the burst", lambda: self._until_spent(hello.beat.queues))
        queues = ", ".join(hello.beat.queues)
        _logger.info("worker %s runs as process %d on %s", child.id, child.pid, queues)
        self._tidings.welcome(hello.hooks)

    def _introduce(self, hello: Hello) -> None:
        """Say the first line, once: whoever comes while the engine was not opened has nothing to add."""
        if not self._introduced:
            self._introduced = True
            _logger.info("%s", sayings.banner(self._options, hello.settings.url, hello.beat.queues, hello.tasks))

    async def _until_spent(self, queues: Sequence[str]) -> None:
        """Leave in order once a burst has nothing left to do; never returns, as no service does."""
        if self._backend is not None:
            await until_spent(self._backend, queues)
            _logger.info("burst: nothing is ready or running on %s: leaving", ", ".join(queues))
            self._stop(self._options.drain)
        await asyncio.Event().wait()

    async def _open(self, settings: Settings) -> None:
        clock = SystemClock()
        try:
            backend = await opened(settings, clock, self._rest)
        except ForebayError as error:
            self._fail(error)
            return
        if backend is None:
            return
        parts = (backend, backend, clock)
        keeper = self._keeper = Keeper(
            parts, self._beats, self._expired, settings.lease, self._options.schedules, lost=self._tidings.ended
        )
        self._settings, self._backend = settings, backend
        self._serve("the keeper", keeper.run)
        limits = Limits(settings.lease, settings.poll, self._options.max_memory)
        self._serve("the look after workers", Lookout(self._children, backend, keeper, self._fail, limits).run)

    def _beats(self) -> Sequence[Beat]:
        """Heartbeats: what the children said, with the silence since then added to what they proved."""
        return [
            msgspec.structs.replace(child.beat, proved=child.beat.proved + child.silent)
            for child in self._children.values()
            if child.beat is not None and child.alive
        ]

    def _expired(self, worker: str) -> None:
        if worker in self._children:
            self._children[worker].signal(signal.SIGKILL)

    async def _bury(self, child: Offspring) -> None:
        """Settle what it could not, and make the rest ready again, at once."""
        self._tidings.again(child)
        if self._backend is not None:
            if child.code not in (0, -signal.SIGTERM, -signal.SIGHUP):
                _logger.warning("worker %s (process %d) ended with %s", child.id, child.pid, child.end)
            try:
                async with asyncio.timeout(LEAVE if self._stopping.is_set() else None):
                    await self._hand_back(child, self._backend)
            except Exception as error:  # noqa: BLE001 - the others have to go on
                text = text_of(error) or type(error).__name__
                _logger.error("cannot recover what %s held: %s; it will be found by its lease", child.id, text)
        self._children.pop(child.id, None)

    async def _hand_back(self, child: Offspring, backend: Whole) -> None:
        held = await backend.held(child.id)
        settlements = child.judge(held)
        verdicts = await backend.settle(child.id, settlements) if settlements else []
        recovered = await backend.recover([child.id])
        settled = {one.delivery.id: one.outcome for one, done in zip(settlements, verdicts, strict=True) if done}
        lost_here = sum(isinstance(fate, Lose) for fate in settled.values())
        child.cost = recovered.returned + recovered.quarantined + lost_here
        lost = dict.fromkeys(recovered.lost, Lose(SILENT)) if child.id in recovered.workers else {}
        for delivery in held:
            if result := settled.get(delivery.id, lost.get(delivery.id)):
                self._tidings.ended(delivery, result)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def supervise(options: WorkerOptions) -> int:
    """Run worker processes until SIGTERM or SIGINT; the exit code.

    Raises:
        ForebayError: the app or its engine cannot be used, or a part of this process ended.
    """
    stdio.keep_open()
    log = configure_logging(options, patience=0.0)  # nobody's lease may depend on whoever reads it
    try:
        asyncio.run(Supervisor(options).run())
    finally:
        log.flush()
    return 0
