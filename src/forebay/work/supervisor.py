"""The parent of worker processes: starts them, renews their leases, buries the dead at once, kills the stuck.

It imports none of the user's code. From each child it knows what the child said: the engine's address, how it goes, and
which task cannot be stopped.
"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence

import msgspec

from forebay.config import Settings, WorkerOptions
from forebay.engine.contract import Beat
from forebay.engine.registry import Backend, build
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineError, ForebayError
from forebay.model.ids import new_id
from forebay.model.outcome import Lose, Outcome, Release, Settlement
from forebay.work import child as child_module
from forebay.work.child import BROKEN, DONE, REPLACE, configure_logging
from forebay.work.keeper import Keeper
from forebay.work.link import Hello, Report, Stuck, parse

_logger = logging.getLogger("forebay.supervisor")
#: Seconds without a report after which a child counts as silent, and its tasks' limits are enforced from here.
SILENT = 5.0
#: A child that lives shorter than this is restarted with a growing pause.
_SHORT, _PAUSE, _LONGEST = 5.0, 0.5, 30.0
#: Seconds beyond its drain that a child gets to leave, before it is killed.
_LEAVE = 10.0


class _Child:
    """One child process, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process, id_: str) -> None:
        self.process, self.id = process, id_
        self.beat: Beat | None = None
        self.limits: dict[str, float] = {}
        self.heard = self.born = time.monotonic()
        self.verdict: tuple[str, Outcome] | None = None

    def signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.process.returncode is None:
            self.process.send_signal(number)


class Supervisor:
    """Runs `options.processes` children until told to stop."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._children: dict[str, _Child] = {}
        self._backend: Backend | None = None
        self._opening = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._code = DONE

    async def run(self) -> int:
        """The exit code: 0 after a stop that was asked for, 2 if the children cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGQUIT, self._forward, signal.SIGQUIT)
        watch = loop.create_task(self._watch_silence())
        await asyncio.gather(*(self._keep_one() for _ in range(self._options.processes)))
        watch.cancel()
        if self._keeping is not None:
            self._keeping.cancel()
        if self._backend is not None:
            await self._backend.close()
        return self._code

    def _stop(self, number: int) -> None:
        """Drain first, insist the second time; each child understands both the same way."""
        self._stopping.set()
        self._forward(signal.SIGTERM)

    def _forward(self, number: int) -> None:
        for child in self._children.values():
            child.signal(number)

    async def _keep_one(self) -> None:
        """Keep one place filled with a child."""
        pause = 0.0
        while not self._stopping.is_set():
            child, code = await self._live()
            if self._stopping.is_set() or code == DONE:
                return
            if child.beat is None and code == BROKEN:
                self._code = BROKEN  # it never got as far as to say hello: the next one would not either
                self._stop(signal.SIGTERM)
                return
            if time.monotonic() - child.born > _SHORT or code == REPLACE:
                pause = 0.0
            if pause:
                _logger.error("workers end soon after they start: next one in %.1f s", pause)
                await self._sleep(pause)
            pause = min(max(_PAUSE, pause * 2), _LONGEST)

    async def _live(self) -> tuple[_Child, int]:
        """One child from birth to burial."""
        child, ours = await self._spawn()
        reader, writer = await asyncio.open_connection(sock=ours)
        listening = asyncio.ensure_future(self._hear(child, reader))
        code = await child.process.wait()
        await listening
        writer.close()
        await self._bury(child, code)
        return child, code

    async def _spawn(self) -> tuple[_Child, socket.socket]:
        ours, theirs = socket.socketpair()
        id_ = new_id()
        arguments = (str(theirs.fileno()), id_, msgspec.json.encode(self._options).decode())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", child_module.__name__, *arguments, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        child = self._children[id_] = _Child(process, id_)
        if self._stopping.is_set():
            child.signal(signal.SIGTERM)
        return child, ours

    async def _hear(self, child: _Child, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            child.heard = time.monotonic()
            match parse(line):
                case Hello(settings=settings, beat=beat, limits=limits):
                    child.beat, child.limits = beat, limits
                    await self._keep(settings)
                    _logger.info("worker %s runs as process %d on %s", child.id, beat.pid, ", ".join(beat.queues))
                case Report(beat=beat):
                    child.beat = beat
                case Stuck(id=id_, outcome=outcome):
                    _logger.error("worker %s: message %s cannot be stopped, ending its process", child.id, id_)
                    child.verdict = (id_, outcome)
                    child.signal(signal.SIGKILL)

    async def _keep(self, settings: Settings) -> None:
        """Open the engine that the first child named, and start to keep."""
        async with self._opening:
            if self._backend is None:
                clock = SystemClock()
                backend = build(settings, clock)
                await backend.open()
                self._backend = backend
                keeper = Keeper(
                    (backend, backend, clock), self._beats, self._expired, settings.lease, self._options.schedules
                )
                self._keeping = asyncio.create_task(keeper.run())

    def _beats(self) -> Sequence[Beat]:
        """Heartbeats: what the children said, with the silence since then added to what they proved."""
        now = time.monotonic()
        return [
            msgspec.structs.replace(child.beat, proved=child.beat.proved + now - child.heard)
            for child in self._children.values()
            if child.beat is not None and child.process.returncode is None
        ]

    def _expired(self, worker: str) -> None:
        if worker in self._children:
            self._children[worker].signal(signal.SIGKILL)

    async def _bury(self, child: _Child, code: int) -> None:
        """Settle what it could not, and make the rest ready again, at once."""
        self._children.pop(child.id, None)
        if self._backend is None:
            return
        if code not in (DONE, REPLACE):
            _logger.warning("worker %s (process %d) ended with %s", child.id, child.process.pid, code)
        try:
            if child.verdict is not None:
                await self._settle_for(child, *child.verdict)
            await self._backend.recover([child.id])
        except EngineError as error:
            _logger.error("cannot recover what %s held: %s; it will be found by its lease", child.id, error)

    async def _settle_for(self, child: _Child, culprit: str, outcome: Outcome) -> None:
        """The one that had to be killed has its outcome; its neighbours go back with their attempt refunded."""
        assert self._backend is not None
        held = await self._backend.held(child.id)
        settlements = [Settlement(d, outcome if d.id == culprit else Release()) for d in held]
        await self._backend.settle(child.id, settlements)

    async def _watch_silence(self) -> None:
        """A child whose interpreter is held by C code reports nothing: its limits are enforced from here."""
        while True:
            await asyncio.sleep(1.0)
            for child in list(self._children.values()):
                if child.beat is not None and child.limits and time.monotonic() - child.heard > SILENT:
                    await self._judge(child)

    async def _judge(self, child: _Child) -> None:
        assert self._backend is not None
        now = time.time()
        for found in await self._backend.find([d.id for d in await self._backend.held(child.id)]):
            limit = child.limits.get(found.task) if found is not None else None
            if found is None or limit is None or found.started is None or now - found.started <= limit:
                continue
            _logger.error("worker %s is silent and %s is past its timeout: ending its process", child.id, found.id)
            child.verdict = (found.id, Lose("it held the interpreter past its timeout"))
            child.signal(signal.SIGKILL)
            return

    async def _sleep(self, pause: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), pause)
        except TimeoutError:
            return


def supervise(options: WorkerOptions) -> int:
    """Run worker processes until SIGTERM or SIGINT; the exit code.

    Raises:
        ForebayError: the engine cannot be used.
    """
    configure_logging()
    try:
        return asyncio.run(_supervise(options))
    except* ForebayError as group:
        raise group.exceptions[0] from None


async def _supervise(options: WorkerOptions) -> int:
    return await Supervisor(options).run()
