"""The parent of worker processes: starts them, renews their leases, buries the dead at once, kills the stuck.

It imports none of the user's code. From each child it knows what the child said: the engine's address, how it goes, and
which task cannot be stopped.
"""

import asyncio
import contextlib
import logging
import math
import signal
import socket
import time
from collections.abc import Sequence

import msgspec

from forebay.config import Settings, WorkerOptions
from forebay.engine.contract import Beat
from forebay.engine.registry import Backend, build
from forebay.flow.weight import too_heavy
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineError, EngineUnreachable, ForebayError
from forebay.model.outcome import Lose
from forebay.work.host import rss
from forebay.work.keeper import Keeper
from forebay.work.link import Hello, Stuck
from forebay.work.log import configure_logging
from forebay.work.offspring import Offspring, bear

_logger = logging.getLogger("forebay.supervisor")
#: Seconds without a report after which a child counts as silent, and its tasks' limits are enforced from here.
SILENT = 3.0
#: A child talks, but its round trips for work do not come back: leases and polls, and then looks in a row, until it is
#: replaced.
HUNG, LOOKS = 2.0, 3
#: A child that lives shorter than this is restarted with a growing pause.
_SHORT, _PAUSE, _LONGEST = 5.0, 0.5, 30.0
#: The longest pause if its end cost messages their worker: each can do that a few times only, and the others wait.
_COSTLY = 1.0
#: Seconds beyond its drain, and after a second TERM, that a child gets to leave before it is killed.
LEAVE = 5.0
_LOOK = 1.0
#: Children of one place that may drain beside the one that works, until the oldest of them is told to hand back.
LEAVING = 3


class Supervisor:
    """Runs `options.processes` children until told to stop."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._children: dict[str, Offspring] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._settings = Settings()
        self._backend: Backend | None = None
        self._opening = asyncio.Lock()
        self._keeper: Keeper | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._failure: ForebayError | None = None

    async def run(self) -> None:
        """Until told to stop, and all children have left.

        Raises:
            ConfigError: the app cannot be used.
            EngineUnreachable: its engine cannot.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGQUIT, self._forward, signal.SIGQUIT)
        watch = loop.create_task(self._watch())
        await asyncio.gather(*(self._keep_one() for _ in range(self._options.processes)))
        await asyncio.gather(*self._lives)
        watch.cancel()
        if self._keeping is not None:
            self._keeping.cancel()
        if self._backend is not None:
            await self._backend.close()
        if self._failure is not None:
            raise self._failure

    def _stop(self) -> None:
        """Drain first, insist the second time. Each child understands it the same way; one that does not is killed."""
        patience = LEAVE if self._stopping.is_set() else self._options.drain + LEAVE
        self._stopping.set()
        self._forward(signal.SIGTERM)
        if patience < math.inf:
            asyncio.get_running_loop().call_later(patience, self._insist)

    def _insist(self) -> None:
        for child in self._children.values():
            _logger.error("worker %s does not leave: ending its process, what it holds is handed back", child.id)
            child.kill({})

    def _fail(self, error: ForebayError) -> None:
        """Nothing can be done here; the first reason stands."""
        if self._failure is None:
            self._failure = error
            self._stop()

    def _forward(self, number: int) -> None:
        for child in self._children.values():
            child.signal(number)

    async def _keep_one(self) -> None:
        """Keep one place filled with a child. One that leaves by itself is replaced while it still drains."""
        pause, leaving = 0.0, list[Offspring]()
        while not self._stopping.is_set():
            child = await self._start()
            await child.left.wait()
            if self._stopping.is_set():
                return
            if child.broken is not None and self._backend is None:
                kind = EngineUnreachable if child.broken.unreachable else ConfigError
                self._fail(kind(child.broken.text))  # the next one would not get any further
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
        child.signal(signal.SIGTERM)
        if drain < math.inf:
            asyncio.get_running_loop().call_later(drain + LEAVE, lambda: child.kill({}))

    async def _breathe(self, child: Offspring, pause: float) -> float:
        """Pause before the next child, if children end soon after they start; the next pause."""
        if child.broken is not None:
            _logger.error("a worker failed: %s", child.broken.text)
        if time.monotonic() - child.born > _SHORT or child.alive:
            return 0.0
        if pause:
            _logger.error("workers end soon after they start: next one in %.1f s", pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
        return min(max(_PAUSE, pause * 2), _COSTLY if child.cost else _LONGEST)

    async def _start(self) -> Offspring:
        child, ours = await bear(self._options)
        self._children[child.id] = child
        if self._stopping.is_set():
            child.signal(signal.SIGTERM)
        life = asyncio.create_task(self._live(child, ours))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        return child

    async def _live(self, child: Offspring, ours: socket.socket) -> None:
        """One child from birth to burial."""
        try:
            async for line in child.hear(ours):
                match line:
                    case Hello(settings=settings, beat=beat):
                        await self._open(settings)
                        _logger.info("worker %s runs as process %d on %s", child.id, child.pid, ", ".join(beat.queues))
                    case Stuck(id=id_, outcome=outcome):
                        _logger.error("worker %s: message %s cannot be stopped, ending its process", child.id, id_)
                        child.kill({id_: outcome})
                    case _:
                        pass
        finally:
            code = await child.ended()
            await self._bury(child, code)
            child.left.set()

    async def _open(self, settings: Settings) -> None:
        """Open the engine that the first child named, and start to keep."""
        async with self._opening:
            if self._backend is not None:
                return
            clock = SystemClock()
            try:
                backend = build(settings, clock)
                await backend.open()
            except ForebayError as error:
                self._fail(error)
                return
            parts = (backend, backend, clock)
            keeper = Keeper(parts, self._beats, self._expired, settings.lease, self._options.schedules)
            self._settings, self._backend, self._keeper = settings, backend, keeper
            self._keeping = asyncio.create_task(keeper.run())

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

    async def _bury(self, child: Offspring, code: int) -> None:
        """Settle what it could not, and make the rest ready again, at once."""
        if self._backend is not None:
            if code not in (0, -signal.SIGTERM):
                _logger.warning("worker %s (process %d) ended with %s", child.id, child.pid, _how(code))
            try:
                if settlements := child.judge(await self._backend.held(child.id)):
                    await self._backend.settle(child.id, settlements)
                recovered = await self._backend.recover([child.id])
                child.cost = recovered.returned + recovered.quarantined
            except EngineError as error:
                _logger.error("cannot recover what %s held: %s; it will be found by its lease", child.id, error)
        self._children.pop(child.id, None)

    async def _watch(self) -> None:
        """Look after children that cannot look after themselves."""
        while True:
            await asyncio.sleep(_LOOK)
            for child in [child for child in self._children.values() if child.beat is not None]:
                with contextlib.suppress(EngineError):  # the keeper tells of it
                    await self._enforce(child)
                self._look_for_life(child)
                self._weigh(child)

    async def _enforce(self, child: Offspring) -> None:
        """A child whose interpreter is held by C code reports nothing: its tasks' limits are enforced from here."""
        if child.silent <= SILENT or not child.limits or self._backend is None:
            return
        now = time.time()
        for found in await self._backend.find([d.id for d in await self._backend.held(child.id)]):
            limit = child.limits.get(found.task) if found is not None else None
            if found is None or limit is None or found.started is None or now - found.started <= limit:
                continue
            _logger.error("worker %s is silent and %s is past its timeout: ending its process", child.id, found.id)
            child.kill({found.id: Lose("it held the interpreter past its timeout")})
            return

    def _weigh(self, child: Offspring) -> None:
        """One that has outgrown its memory by far cannot wait for what it runs, which may be what grows."""
        if self._options.max_memory and (heavy := too_heavy(rss(child.pid), self._options.max_memory)):
            _logger.error("worker %s %s: ending its process", child.id, heavy)
            child.lose(f"its process {heavy}")

    def _look_for_life(self, child: Offspring) -> None:
        """A child that talks but gets no answer from its engine, while we do, is replaced: its connection hangs."""
        beat, patience = child.beat, HUNG * (self._settings.lease + self._settings.poll)
        hangs = beat is not None and beat.state == "running" and beat.proved > patience and child.silent < 2 * _LOOK
        child.hung = child.hung + 1 if hangs else 0
        answered = self._keeper is not None and self._keeper.answered
        if child.hung > LOOKS and answered:
            _logger.error("worker %s gets no answer from its engine any more: ending its process", child.id)
            child.kill({})


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"code {code}"


def supervise(options: WorkerOptions) -> int:
    """Run worker processes until SIGTERM or SIGINT; the exit code.

    Raises:
        ForebayError: the app or its engine cannot be used.
    """
    configure_logging()
    asyncio.run(_supervise(options))
    return 0


async def _supervise(options: WorkerOptions) -> None:
    await Supervisor(options).run()
