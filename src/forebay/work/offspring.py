"""One child process as its parent sees it: its birth, what it says, its end.

Owns the process and the socket to it. Each child leads a session of its own, so that what it started (processes
of `cpu=True` tasks, commands of the user's) ends with it. Decides nothing: that is the supervisor's work.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping

import msgspec

from forebay.config import WorkerOptions
from forebay.engine.contract import Beat
from forebay.engine.trouble import Trouble
from forebay.model.delivery import Delivery
from forebay.model.ids import new_id
from forebay.model.outcome import Lose, Outcome, Release, Settlement
from forebay.work import sayings
from forebay.work.groups import end_session
from forebay.work.link import AT_ONCE, LINE, Broken, Buried, Hello, Known, Line, Report, Within, encoded, parse
from forebay.work.python import interpreter
from forebay.work.run import ISOLATE_AFTER
from forebay.work.shortage import kills

_CHILD = "forebay.work.child"
_logger = logging.getLogger("forebay.supervisor")
#: Looks for what a dead child has left behind, and seconds between them.
_LOOKS, _LOOK = 3, 0.01
#: Seconds of silence after which it is told nothing more.
HEARS = 3.0


class Offspring:
    """A child. `beat` is what it said last, None before its hello; `broken` why it could not start.

    Attributes:
        waits: what it held without running it, by its last word; told while its engine does not answer.
        trouble: why it could not settle, by its last word.
        hook: the hook of its start or end that it is in, "" if in none.
        left: set when its place is free: it leaves by itself, or has ended.
        verdict: outcomes of messages for which it was killed; all others that it held are handed back. None: it ended
            without a word, so what it held was lost.
        cause: why it was ended, for what it ran; see `lose`.
        tidings: what it was told for the app's hooks, which have not heard of it yet, by message and
            fence, and which telling of it that was.
        cost: how many messages lost their worker by its end.
        code: its exit code, once it has ended; below 0 the signal that ended it. end: the same in words.
    """

    def __init__(self, id_: str, process: asyncio.subprocess.Process) -> None:
        self.id, self._process = id_, process
        self.beat: Beat | None = None
        self.broken: Broken | None = None
        self.limits: Mapping[str, float] = {}
        self.waits, self.trouble, self.hook = frozenset[str](), "", ""
        self.heard = self.born = time.monotonic()
        self._stops = 0.0  # from when on the next signal to stop is another one
        self.left = asyncio.Event()
        self.verdict: Mapping[str, Outcome] | None = None
        self.cause = ""
        self.hung = self.cost = self.code = 0
        self._kills, self.end = (kills(),) * 2, ""  # at its last word but one, for one may be read after its end
        self.tidings: dict[tuple[str, int], tuple[Buried, int]] = {}
        self._trouble = Trouble(_logger)
        self._writer: asyncio.StreamWriter | None = None

    @property
    def hears(self) -> bool:
        """Whether it can be told something: it is up, it talks, and it does not leave."""
        return self.alive and self.beat is not None and self.beat.state == "running" and self.silent < HEARS

    def say(self, line: Line) -> bool:
        """Tell it; False if it is behind with reading."""
        writer = self._writer
        if writer is None or writer.is_closing() or writer.transport.get_write_buffer_size() > LINE:
            return False
        writer.write(encoded(line))
        return True

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def silent(self) -> float:
        """Seconds since it last said something."""
        return time.monotonic() - self.heard

    def proved(self, patience: float) -> bool | None:
        """Whether its engine answered within `patience` seconds before its last word; None if it has said nothing."""
        if self.beat is None:
            return None
        return self.beat.proved <= patience

    def signal(self, number: int) -> None:
        """Send it a signal, if it still lives."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)  # the process object would look for its end first, behind asyncio's back

    def stop(self, heard: int = 0) -> None:
        """Tell it to stop, for the first time or again.

        Args:
            heard: the signal that said so here, if one did. It may have reached all processes at once (`pkill`,
                systemd), so the child hears another one, and counts each by itself. Until it has started, either ends
                it; HUP may be ignored there if this process was started by `nohup`.
        """
        deaf = self.beat is None and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        number = signal.SIGTERM if heard == signal.SIGHUP or deaf else signal.SIGHUP
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._stops)
        self._stops = at + 2 * AT_ONCE
        if at > loop.time():
            loop.call_at(at, self.signal, number)
        else:
            self.signal(number)

    def kill(self, verdict: Mapping[str, Outcome]) -> None:
        """End it now; the first reason for that stands."""
        if self.verdict is None and not self.cause:
            self.verdict = verdict
        self.signal(signal.SIGKILL)

    def over(self, code: int) -> None:
        """It has ended; if the kernel ended it for want of memory, what ran in it is to know."""
        short = kills() - self._kills[0]
        self.code, self.end = code, sayings.end(code, short)
        if self.verdict is None and not self.cause and code == -signal.SIGKILL and short > 0:
            self.cause = f"its worker was ended by {self.end}"

    def lose(self, cause: str) -> None:
        """End it now for what runs in it, which counts that as a lost worker."""
        self.cause = cause
        self.signal(signal.SIGKILL)

    def leave(self, unsettled: str) -> None:
        """It ends as it was asked to; what it could not settle, though others can, counts as lost."""
        if unsettled and self.verdict is None:
            self.cause = self.cause or f"its worker could not settle what ran in it: {unsettled}"
        else:
            self.verdict = self.verdict or {}

    def judge(self, held: list[Delivery]) -> list[Settlement]:
        """What becomes of the messages that it held, apart from those that count it as lost.

        What only waited in it is not to blame for its end, nor one in a process of its own if others ran beside it.
        """
        if self.verdict is not None:
            return [Settlement(delivery, self.verdict.get(delivery.id, Release())) for delivery in held]
        ran = [delivery for delivery in held if delivery.id not in self.waits]
        blamed = {delivery.id for delivery in [d for d in ran if d.lost < ISOLATE_AFTER] or ran}
        free = [Settlement(delivery, Release()) for delivery in held if delivery.id not in blamed]
        if not self.cause:
            return free
        return free + [Settlement(delivery, Lose(self.cause)) for delivery in held if delivery.id in blamed]

    async def hear(self, ours: socket.socket) -> AsyncIterator[Line]:
        """What it says, until it has ended and everything is said."""
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE)
        self._writer = writer
        ending = asyncio.ensure_future(self._hang_up(ours))
        try:
            async for line in self._lines(reader):
                self._note(line)
                yield line
        finally:
            await ending
            writer.close()

    async def _lines(self, reader: asyncio.StreamReader) -> AsyncIterator[Line]:
        """Line by line; what is none (some code of the user's wrote to this socket) is told and left out."""
        while True:
            try:
                raw = await reader.readline()
                if not raw:
                    return
                line = parse(raw)
            except (ValueError, msgspec.MsgspecError) as error:  # too long, or no line of ours
                self._trouble.tell(f"worker {self.id}", f"it said what nobody understands: {error}")
                continue
            except ConnectionError:  # it has ended, and has not read all that it was told
                return
            yield line

    def _note(self, line: Line) -> None:
        self.heard, self._kills = time.monotonic(), (self._kills[1], kills())
        match line:
            case Hello(beat=beat, limits=limits):
                self.beat, self.limits = beat, limits
            case Report(beat=beat, waits=waits, trouble=trouble):
                self.beat, self.waits, self.trouble = beat, frozenset(waits), trouble
                if beat.state != "running":
                    self.left.set()
            case Within(hook=hook):
                self.hook = hook
            case Known(id=id_, fence=fence):
                self.tidings.pop((id_, fence), None)
            case Broken():
                self.broken = line
            case _:
                pass

    async def _hang_up(self, ours: socket.socket) -> None:
        """A process of its own making may still hold the socket's other end, so its end is what closes ours."""
        await self._process.wait()
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RD)

    async def ended(self) -> int:
        """Its exit code, once neither it nor anything of its session runs any more."""
        code = await self._process.wait()
        for _ in range(_LOOKS):
            if not end_session(self.pid):
                break
            await asyncio.sleep(_LOOK)
        return code


async def bear(options: WorkerOptions) -> tuple[Offspring, socket.socket]:
    """A new child, and our end of the socket to it.

    Raises:
        OSError, RuntimeError: the host has no room for another process, thread or descriptor now.
    """
    ours, theirs = socket.socketpair()
    id_ = new_id()
    arguments = (str(theirs.fileno()), id_, msgspec.json.encode(options).decode())
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *interpreter(), "-m", _CHILD, *arguments, pass_fds=[theirs.fileno()], start_new_session=True
            )
    except BaseException:
        ours.close()
        raise
    return Offspring(id_, process), ours
