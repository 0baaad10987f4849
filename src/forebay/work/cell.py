"""One process for tasks, as its worker sees it: a pipe that threads serve, and one run at a time.

A process that is slow or frozen must not hold up the loop: what is sent to it and heard from it goes through two
threads of our own.
"""

import asyncio
import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Collection
from typing import Protocol

import msgspec

from forebay.config import Settings, WorkerOptions
from forebay.engine.native import pipe, shut_down, simple_queue
from forebay.engine.waiting import call_in
from forebay.model.message import Failure
from forebay.model.outcome import Outcome
from forebay.model.topology import Edge
from forebay.work.errand import STRIKE, UNABLE, Job, Reply, Start
from forebay.work.executor import Bounds
from forebay.work.groups import kill_group
from forebay.work.host import is_stopped, rss
from forebay.work.python import interpreter
from forebay.work.run import Run, Stop
from forebay.work.sayings import end
from forebay.work.shortage import kills
from forebay.work.storetime import steady

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply).decode
#: A process that has ended its pipe gets so long to end itself.
_END = 0.5
#: Messages done in transactions here that are remembered.
_WITHIN = 100
#: Seconds that one gets to start and to import the app, if the task that waits for it has a timeout.
START = 30.0


class Pool(Protocol):
    """What a cell tells its pool, on the loop."""

    def timed(self, run: Run) -> None:
        """The time of a run begins."""
        ...

    def progressed(self, run: Run, blob: bytes) -> None:
        """A run reports progress."""
        ...

    def fed(self, edges: Collection[Edge]) -> None:
        """A run has published into these queues."""
        ...

    def finished(self, run: Run, result: Outcome) -> None:
        """A run has ended."""
        ...

    def unloaded(self, run: Run, failure: Failure) -> None:
        """A run has not begun: its process could not load the app."""
        ...

    def freed(self, cell: "Cell") -> None:
        """The cell is idle: its run has ended, and the hooks there have heard of it."""
        ...

    def died(self, cell: "Cell", run: Run | None, how: str) -> None:
        """The process has ended."""
        ...


class Cell:
    """One child process and its pipe.

    Args:
        options: where it finds the app, and how it logs.

    Attributes:
        run: what runs in it.
        within: messages that were to be done here in transactions of their own, the last ones.
        spent: it is to leave once it is idle.
        unable: it could not begin, and no task has run in it.
        gone: its process has ended, and is buried.

    Raises:
        OSError: it cannot be started.
        RuntimeError: its threads cannot.
    """

    def __init__(self, pool: Pool, options: WorkerOptions, settings: Settings) -> None:
        self._pool = pool
        self.run: Run | None = None
        self.within, self.spent = deque[str](maxlen=_WITHIN), False
        self._why, self._began, self.unable = "", False, False
        self.gone = asyncio.Event()
        self._closed, self._kills = False, kills()
        self._guard, self._sending = threading.Lock(), threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._start: asyncio.TimerHandle | None = None
        self._jobs: queue.SimpleQueue[bytes | None] = simple_queue()
        self._pipe, theirs = pipe()
        held, self._life = os.pipe()
        try:
            self._process = _start(options, settings, theirs.fileno(), held)
        except BaseException:
            self._pipe.close()
            os.close(self._life)
            raise
        finally:
            theirs.close()
            os.close(held)
        self._reader = threading.Thread(target=self._listen, name="forebay-cpu-in", daemon=True)
        self._writer = threading.Thread(target=self._send, name="forebay-cpu-out", daemon=True)
        try:
            self._reader.start()
            self._writer.start()
        except BaseException:
            self._process.kill()
            self._process.wait()
            self._closed = True  # the reader may be there already, and is about to say that it has ended
            self._hang_up()
            raise

    def give(self, run: Run) -> None:
        """Start a run in it."""
        self.run, self._kills = run, kills()
        run.interrupt = lambda why: self._interrupt(run, why)
        if run.task.running.timeout is not None:
            self._start = self._loop.call_later(START, self.kill, f"its process did not start within {START:g} s")
        function = run.task.function
        module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
        told, at = run.time.now(), steady()
        job = Job(
            delivery=run.delivery, worker=run.context.worker, task=run.task.name, module=module, name=name,
            told=told, at=at,
        )  # fmt: skip
        self._jobs.put(_encode(job))
        if run.stop is not None:
            self._interrupt(run, run.stop)

    def memory(self) -> int:
        """Its resident memory in bytes."""
        return rss(self._process.pid)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def is_stopped(self) -> bool:
        """Whether its process is held still."""
        return is_stopped(self._process.pid)

    def dump(self) -> None:
        """Have it write where it stands to standard error."""
        self._process.send_signal(signal.SIGQUIT)

    def dismiss(self) -> None:
        """Have it leave by itself: it does after what it runs."""
        self._jobs.put(None)

    def kill(self, why: str = "") -> None:
        """End it at once.

        Args:
            why: what is told of the run in it, instead of how it ended.
        """
        self._why = self._why or why
        self._kill()

    def _kill(self) -> None:
        """End it, and the programs that its tasks have started: the next attempt may start them again."""
        if not self._closed:
            self._process.kill()
            kill_group(self._process.pid)

    def _interrupt(self, run: Run, why: Stop) -> None:
        """Softly on a timeout, so that the task may clean up; otherwise at once. Any thread may call this."""
        with self._guard:
            if self.run is not run:
                return
            if why is not Stop.TIMEOUT:
                self._kill()
            elif self._announce():
                self._process.send_signal(signal.SIGUSR1)

    def _announce(self) -> bool:
        """Say that it is we who strike; False if there is nothing to strike: no job is there yet, or it died."""
        if not self._sending.acquire(blocking=False):
            return False
        try:
            self._pipe.send_bytes(STRIKE)
        except OSError:
            return False
        finally:
            self._sending.release()
        return True

    def _take(self) -> Run | None:
        """The run that has ended here: from now on nothing strikes it, nor the next one in its stead."""
        with self._guard:
            run, self.run = self.run, None
        self._started()
        return run

    def _started(self) -> None:
        if self._start is not None:
            self._start.cancel()
            self._start = None

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # if it has just died, the reader will say so
            while (job := self._jobs.get()) is not None:
                with self._sending:
                    self._pipe.send_bytes(job)
            self._half_close()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError, msgspec.MsgspecError):
            while True:
                call_in(self._loop, self._replied, _decode(self._pipe.recv_bytes()))
        call_in(self._loop, self.ended)

    def _replied(self, reply: Reply) -> None:
        if reply.outcome is not None:
            if (run := self._take()) is not None:
                run.told, run.used = reply.told, reply.used
                self._pool.fed(reply.fed)
                self._pool.finished(run, reply.outcome)
                if not reply.told:
                    self._pool.freed(self)
        elif reply.unloaded is not None:
            self.spent = True  # what is half imported, or half open, is no place to try again
            if (run := self._take()) is not None:
                self._pool.unloaded(run, reply.unloaded)
            self._pool.freed(self)
        elif reply.free:
            self._pool.freed(self)
        elif self.run is not None:
            self._heard(self.run, reply)

    def _heard(self, run: Run, reply: Reply) -> None:
        """Of one that goes on."""
        if reply.started:
            self._started()
            self._began = True
            self._pool.timed(run)
        elif reply.completing:
            run.context.completing = True
            self.within.append(run.delivery.id)
        elif reply.progress is not None:
            self._pool.progressed(run, reply.progress)

    def ended(self) -> None:
        """It has closed its pipe, or was killed: bury it."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END)
        self.unable = not self._began and self._process.poll() == UNABLE
        how = self._why or _how(self._process.poll(), kills() - self._kills)
        self._process.kill()
        kill_group(self._process.pid)
        self._process.wait()
        self._hang_up()
        self.gone.set()
        self._pool.died(self, self._take(), how)

    def _half_close(self) -> None:
        """Tell it that no more jobs come; what it still says is heard."""
        shut_down(self._pipe.fileno(), socket.SHUT_WR)

    def _hang_up(self) -> None:
        """Close the pipe under whoever waits in it: a process that the task forked may hold its other end for ever."""
        self._jobs.put(None)
        shut_down(self._pipe.fileno(), socket.SHUT_RDWR)
        for thread in (self._reader, self._writer):
            if thread.ident is not None:
                thread.join()
        self._pipe.close()
        os.close(self._life)


def _start(options: WorkerOptions, settings: Settings, pipe: int, life: int) -> "subprocess.Popen[bytes]":
    """Another Python, with its end of the pipe, and of one that closes with this process; leader of a group."""
    start = Start(options=options, bounds=Bounds.of(settings), path=sys.path, pipe=pipe, life=life)
    command = [*interpreter(), "-m", "forebay.work.apart", msgspec.json.encode(start).decode()]
    return subprocess.Popen(command, pass_fds=[pipe, life], process_group=0)


def _how(code: int | None, kills: int) -> str:
    if code is None:
        return "its process closed the pipe to its worker"
    return f"its process {'was ended by' if code < 0 else 'ended with'} {end(code, kills)}"
