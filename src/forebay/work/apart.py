"""The child's side of `Processes`: take a delivery, live its life here, send the outcome.

It runs the user's function in its main thread, so that a signal can raise `TimeLimit` in it even while it sleeps. The
function is found by importing the module that the *parent* names, never by anything that stands in a message.
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, cast

import msgspec

from forebay.model.delivery import Delivery
from forebay.model.errors import TimeLimit
from forebay.model.outcome import DeadLetter, Outcome
from forebay.produce.context import enter, leave
from forebay.produce.task import Task
from forebay.work.executor import Executor, failure_of
from forebay.work.log import configure_logging
from forebay.work.run import Run, Stop


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent sends: a delivery, and where its function is."""

    delivery: Delivery
    module: str
    name: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the child sends: that the task starts, progress on the way, an outcome."""

    outcome: Outcome | None = None
    progress: Any = None
    started: bool = False


_PR_SET_PDEATHSIG = 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Job).decode


def serve(pipe: "Connection[Any, Any]", keep: float, limit: int) -> None:
    """Jobs until the pipe closes, or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.register(signal.SIGQUIT)
    configure_logging()
    _die_with_parent()
    threading.Thread(target=_follow_parent, name="forebay-orphan", daemon=True).start()
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    child = _Child(pipe, keep, limit)
    with contextlib.suppress(EOFError, OSError):
        while True:
            child.live(_decode(pipe.recv_bytes()))


def _die_with_parent() -> None:
    """On Linux, have the kernel end this process with its worker: C code that holds the interpreter stops no kernel."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _follow_parent() -> None:
    """End at once when the worker has gone: what runs here has lost its lease, and is about to run elsewhere."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Child:
    def __init__(self, pipe: "Connection[Any, Any]", keep: float, limit: int) -> None:
        self._pipe, self._keep, self._limit = pipe, keep, limit
        self._sending = threading.Lock()
        self._late = False
        self._run: Run | None = None
        signal.signal(signal.SIGUSR1, self._strike)

    def live(self, job: Job) -> None:
        """The whole life of one message."""
        try:
            task = _find(job)
        except BaseException as error:  # noqa: BLE001 - importing the user's module may raise anything
            self._send(Reply(outcome=DeadLetter(f"task {job.delivery.task!r} cannot be loaded", failure_of(error))))
            return
        executor = Executor({task.name: task}, self._keep, self._limit, self._progress)
        run = executor.begin(job.delivery)
        self._send(Reply(started=True))
        self._send(Reply(outcome=self._call(executor, run) if isinstance(run, Run) else run))

    def _call(self, executor: Executor, run: Run) -> Outcome:
        token = enter(run.context)
        self._run = run
        try:
            value = run.task.function(*run.args, **run.kwargs)
            if run.task.is_async:
                value = asyncio.run(value)
            self._run = None
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            self._run = None
            return executor.failed(run, error)
        finally:
            leave(token)
        return executor.ended(run, value)

    def _strike(self, number: int, frame: FrameType | None) -> None:
        """The parent says that time is up: once for a run, and only while it runs."""
        run, self._run = self._run, None
        if run is None:
            return
        run.stop = Stop.TIMEOUT
        if self._sending.locked():
            self._late = True  # half a reply would spoil the pipe: raised when all of it is out
        else:
            raise TimeLimit("time is up")

    def _progress(self, delivery: Delivery, value: Any) -> None:
        self._send(Reply(progress=value))

    def _send(self, reply: Reply) -> None:
        blob = _encode(reply)
        with self._sending:
            self._pipe.send_bytes(blob)
        if self._late and threading.current_thread() is threading.main_thread():
            self._late = False
            raise TimeLimit("time is up")


def _find(job: Job) -> Task[..., Any, Any]:
    found: Any = importlib.import_module(job.module)
    for part in job.name.split("."):
        found = getattr(found, part)
    if not isinstance(found, Task):
        raise TypeError(f"{job.module}.{job.name} is no task: cpu=True needs a task at module level")
    return cast("Task[..., Any, Any]", found)
