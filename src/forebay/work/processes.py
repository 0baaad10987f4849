"""Tasks in processes of their own: `cpu=True`, and messages that have cost workers their life before.

One task at a time in each; it may crash, hang or eat memory without hurting a neighbour, and it can be killed. A child
gets the delivery, lives its life with an executor of its own, and sends the outcome back. Only MessagePack crosses.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from forebay.config import Settings
from forebay.engine.waiting import call_in
from forebay.model.delivery import Delivery
from forebay.model.outcome import Lose, Outcome, Snooze
from forebay.work.apart import Job, Reply, serve
from forebay.work.executor import Executor
from forebay.work.host import rss
from forebay.work.run import Run, Stop

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply).decode

Done = Callable[[Run, Outcome], None]
#: Seconds that a run waits here for a process, and then elsewhere: other workers may have one.
PATIENCE, AGAIN = 1.0, 1.0
#: Seconds that a process gets to start, and to import the app; a task's own time begins after that.
START = 30.0
#: A process that has ended its pipe gets so long to end itself.
_END = 0.5


class Processes:
    """Up to `most` child processes, started when needed and kept.

    Args:
        watch: told of each run whose time begins.

    Attributes:
        max_memory: bytes of resident memory above which one is replaced; 0 for never.
    """

    def __init__(
        self,
        executor: Executor,
        most: int,
        done: Done,
        *,
        watch: Callable[[Run], None],
        report: Callable[[Delivery, Any], None],
        settings: Settings,
    ) -> None:
        self._executor, self._most, self._done, self._report, self._settings = executor, most, done, report, settings
        self._watch = watch
        self.max_memory = 0
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()
        self._waiting: deque[Run] = deque()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Runs that wait for a process."""
        return len(self._waiting)

    def start(self, run: Run) -> None:
        """Run it as soon as a process is free."""
        run.interrupt = partial(call_in, self._loop, self._drop, run)
        self._waiting.append(run)
        self._next()
        if run in self._waiting:
            self._loop.call_later(PATIENCE, self._give_up, run)

    def kill(self, run: Run) -> None:
        """End the process of a run that did not stop when told to."""
        for child in self._all:
            if child.run is run:
                child.kill()

    def close(self) -> None:
        """Kill all children, and leave none behind; what they ran was told before."""
        self._closed = True
        for child in self._all:
            child.kill()
        for child in list(self._all):
            child.ended()

    def _next(self) -> None:
        while self._waiting and (self._idle or len(self._all) < self._most):
            child = self._idle.pop() if self._idle else self._spawn()
            child.give(self._waiting.popleft())

    def _drop(self, run: Run) -> None:
        """Told to stop while it waits for a process."""
        if run in self._waiting:
            self._waiting.remove(run)
            self._finish(run, self._executor.failed(run, asyncio.CancelledError()))

    def _give_up(self, run: Run) -> None:
        """It found no process here in time."""
        if run in self._waiting:
            self._waiting.remove(run)
            self._finish(run, Snooze(AGAIN))

    def _spawn(self) -> "_Child":
        child = _Child(self, self._settings)
        self._all.add(child)
        return child

    def timed(self, run: Run, start: float = 0.0) -> None:
        """The time of a run begins, in `start` seconds at the latest."""
        if (timeout := run.task.running.timeout) is not None:
            run.deadline = time.monotonic() + start + timeout
            self._watch(run)

    def progressed(self, run: Run, value: Any) -> None:
        """A child reports progress."""
        self._report(run.delivery, value)

    def freed(self, child: "_Child", run: Run, result: Outcome) -> None:
        """A child sent an outcome and is idle."""
        if self.max_memory and child.memory() > self.max_memory:
            child.kill()
        else:
            self._idle.append(child)
        self._finish(run, result)
        self._next()

    def died(self, child: "_Child", run: Run | None, how: str) -> None:
        """A child ended; its run, if any, was told to stop, or took it down."""
        self._all.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if run is not None:
            stopped = run.stop is not None
            self._finish(run, self._executor.failed(run, asyncio.CancelledError()) if stopped else Lose(how))
        if not self._closed:
            self._next()

    def _finish(self, run: Run, result: Outcome) -> None:
        run.finished = True
        self._done(run, result)


class _Child:
    """One child process and its pipe, which threads serve: a child that is slow or frozen must not hold up the loop."""

    def __init__(self, pool: Processes, settings: Settings) -> None:
        self._pool = pool
        self.run: Run | None = None
        self._guard = threading.Lock()
        self._loop = asyncio.get_running_loop()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, settings.result_ttl, settings.payload_limit), name="forebay-cpu", daemon=True
        )
        self._process.start()
        theirs.close()
        self._closed = False
        self._sending = threading.Lock()
        self._reader = threading.Thread(target=self._listen, name="forebay-cpu-pipe", daemon=True)
        self._reader.start()

    def give(self, run: Run) -> None:
        """Start a run in it."""
        self.run = run
        run.interrupt = lambda: self._interrupt(run)
        self._pool.timed(run, START)
        function = run.task.function
        job = Job(delivery=run.delivery, module=function.__module__, name=function.__qualname__)
        self._loop.run_in_executor(None, self._send, _encode(job))

    def _send(self, job: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):  # if it has just died, the reader will say so
            self._pipe.send_bytes(job)

    def memory(self) -> int:
        """Its resident memory in bytes."""
        return rss(self._process.pid)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def _interrupt(self, run: Run) -> None:
        """Softly on a timeout, so that the task may clean up; otherwise at once. Any thread may call this."""
        with self._guard:
            if self.run is not run:
                return
            if run.stop is Stop.TIMEOUT and self._process.pid is not None:
                os.kill(self._process.pid, signal.SIGUSR1)
            else:
                self.kill()

    def _take(self) -> Run | None:
        """The run that has ended here: from now on nothing strikes it, nor the next one in its stead."""
        with self._guard:
            run, self.run = self.run, None
            return run

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError, msgspec.MsgspecError):
            while True:
                call_in(self._loop, self._replied, _decode(self._pipe.recv_bytes()))
        call_in(self._loop, self.ended)

    def _replied(self, reply: Reply) -> None:
        if reply.outcome is not None:
            if (run := self._take()) is not None:
                self._pool.freed(self, run, reply.outcome)
        elif self.run is not None:
            if reply.started:
                self._pool.timed(self.run)
            else:
                self._pool.progressed(self.run, reply.progress)

    def ended(self) -> None:
        """It has closed its pipe, or was killed: bury it."""
        if self._closed:
            return
        self._closed = True
        self._process.join(_END)
        how = _how(self._process.exitcode)
        self._process.kill()
        self._process.join()
        self._hang_up()
        self._pool.died(self, self._take(), how)

    def _hang_up(self) -> None:
        """Close the pipe under whoever waits in it: a process that the task forked may hold its other end for ever."""
        with socket.socket(fileno=os.dup(self._pipe.fileno())) as end, contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        with self._sending:
            self._pipe.close()


def _how(code: int | None) -> str:
    if code is None:
        return "its process closed the pipe to its worker"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with code {code}"
