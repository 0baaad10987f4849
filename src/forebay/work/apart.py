"""The child's side of `Processes`: take a delivery, live its life here, send the outcome.

It runs the user's function in its main thread, so that a signal can raise `TimeLimit` in it even while it sleeps. The
function is looked up by its task's name in the app's registry, and the app found as its worker found it; without an app
to find, by importing the module that the *parent* names. Nothing that stands in a message is imported.
"""

import asyncio
import contextlib
import contextvars
import ctypes
import faulthandler
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, cast

import msgspec

from forebay.app import Forebay
from forebay.engine.shield import Mark, within_shared
from forebay.locate import locate
from forebay.model.delivery import Delivery
from forebay.model.errors import TimeLimit
from forebay.produce.task import Task
from forebay.work import stdio
from forebay.work.completing import Completing
from forebay.work.errand import STRIKE, UNABLE, Job, Reply, Start
from forebay.work.executor import NONE, Executor
from forebay.work.failures import told
from forebay.work.feeding import Feeding
from forebay.work.groups import defaults_in_forks, end_with_group, nothing
from forebay.work.hearing import name_of_hook, watched
from forebay.work.log import Log
from forebay.work.progress import encoded
from forebay.work.raised import failure_of
from forebay.work.run import Run, Stop, to_await
from forebay.work.shortage import offer
from forebay.work.storetime import Heard
from forebay_command import imported

_logger = logging.getLogger("forebay.worker")
_PR_SET_PDEATHSIG = 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Job).decode
#: Seconds until a strike that met the locks of the whole process is tried again.
_AGAIN = 0.005
Tasks = Mapping[str, Task[..., Any, Any]]


def main() -> None:
    """Jobs until the pipe closes, or the parent is gone."""
    imported()
    start = msgspec.json.decode(sys.argv[1], type=Start)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, nothing)  # whomever else it reached; the parent decides
    faulthandler.register(signal.SIGQUIT, file=2)
    offer()
    log = Log(start.options)
    stdio.show_at_once()
    _die_with_parent()
    try:
        threading.Thread(target=_follow_parent, args=(start.life,), name="forebay-orphan", daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        _logger.error("a process for cpu tasks cannot start: %s", error)
        os._exit(UNABLE)
    sys.path[:] = start.path  # the user's folders come first from here on, when all of ours is imported
    os.set_inheritable(start.pipe, False)
    pipe: Connection[Any, Any] = Connection(start.pipe)
    with asyncio.Runner() as runner:
        child = _Child(pipe, start, log, runner)
        with contextlib.suppress(EOFError, OSError):
            while True:
                if (said := pipe.recv_bytes()) == STRIKE:
                    child.announced()  # of a run that has ended meanwhile
                else:
                    child.live(_decode(said))
        child.leave()


def _die_with_parent() -> None:
    """On Linux, have the kernel end this process with its worker: C code that holds the interpreter stops no kernel."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _follow_parent(life: int) -> None:
    """End at once when the worker has gone: what runs here has lost its lease, and is about to run elsewhere."""
    os.set_inheritable(life, False)
    os.read(life, 1)
    end_with_group()
    os._exit(1)


class _Child:
    def __init__(self, pipe: "Connection[Any, Any]", start: Start, log: Log, runner: asyncio.Runner) -> None:
        self._pipe, self._locator, self._bounds = pipe, start.options.app, start.bounds
        self._log, self._runner = log, runner
        self._app: Forebay | None = None
        self._scope = contextvars.copy_context()
        self._mark = Mark()
        self._sending = threading.Lock()
        self._run: Run | None = None  # what may be struck, once
        self._strikes = 0  # announced, and still to come
        self._task: asyncio.Task[Any] | None = None
        signal.signal(signal.SIGUSR1, self._strike)
        defaults_in_forks()

    def live(self, job: Job) -> None:
        """The whole life of one message."""
        try:
            executor = Executor(self._tasks(job), self._bounds, self._progress)
            executor.providers.specs = NONE if self._app is None else self._app.registry.providers
            executor.time.latest = Heard(job.told, job.at)
            executor.feeding = Feeding()
            executor.completes = Completing(lambda: job.worker, executor.done, self._completing)
        except BaseException as error:  # noqa: BLE001 - importing the user's module may raise anything
            self._send(Reply(unloaded=failure_of(error)))
            return
        run = executor.begin(job.delivery)
        self._send(Reply(started=True))
        if not isinstance(run, Run):
            self._send(Reply(outcome=run))
            return
        result = executor.judge(run, *self._call(run))
        failure = told(run.delivery, result, run.error, once=run.task.running.at_most_once)
        hooks = [] if self._app is None or failure is None else list(self._app.registry.on_failure)
        self._send(Reply(outcome=result, told=bool(hooks), fed=tuple(executor.feeding.take()), used=run.used))
        for hook in hooks:
            self._hook(hook, run.context, *(failure or ())[1:])
        failure = None
        run.let_go()
        self._mark.serve(None)
        if hooks:
            self._send(Reply(free=True))

    def leave(self) -> None:
        """No more jobs come: what the app has opened in this process, it may close."""
        if self._app is not None:
            for hook in self._app.registry.on_stop:
                self._hook(hook)

    def _tasks(self, job: Job) -> Tasks:
        """Where to look up the task."""
        if not self._locator:
            tasks = {job.task: _imported(job)}
            self._log.settle()
            return tasks
        if self._app is None:
            app = locate(self._locator)
            for hook in app.registry.on_start:
                with watched("on_start", hook):
                    self._do(hook)
            self._log.settle()
            self._app = app
        return self._app.registry.tasks

    def _call(self, run: Run) -> tuple[Any, BaseException | None]:
        """What it returned, and what it raised."""
        scope = self._scope.copy()
        self._mark.serve(run)
        self._run = run
        try:
            value = scope.run(run.call, self._mark.expose)
            if to_await(value):
                value = self._mark.expose(self._runner.run, self._await(value), context=scope)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            return None, error
        else:
            return value, None
        finally:
            self._run = None

    async def _await(self, value: Awaitable[Any]) -> Any:
        """As `asyncio.run` does it: nothing of it goes on when it has ended."""
        before = asyncio.all_tasks()
        self._task = asyncio.current_task()
        try:
            return await value
        finally:
            self._task = None
            left = asyncio.all_tasks() - before
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def announced(self) -> None:
        """The parent strikes."""
        self._strikes += 1

    def _heard(self) -> bool:
        """Whether the parent has announced this strike. While something runs nobody else reads the pipe."""
        with contextlib.suppress(EOFError, OSError):
            while self._pipe.poll() and self._pipe.recv_bytes() == STRIKE:
                self.announced()
        if not self._strikes:
            return False
        self._strikes -= 1
        return True

    def _strike(self, number: int, frame: FrameType | None) -> None:
        """The parent says that time is up: once for a run, and only while it runs. Of anybody else it is a signal."""
        if self._run is None:
            return
        if not self._heard():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if within_shared(frame):
            self.announced()
            threading.Timer(_AGAIN, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            return
        self._run.stop, self._run = Stop.TIMEOUT, None
        task = self._task
        if task is not None and asyncio.current_task(task.get_loop()) is not task:
            task.get_loop().call_soon_threadsafe(task.cancel)  # it waits; the loop itself must not be struck
        else:
            self._mark.strike_here(TimeLimit)

    def _do(self, hook: Callable[..., Any], *args: Any) -> None:
        value = self._scope.run(hook, *args)
        if to_await(value):
            self._runner.run(_result(value), context=self._scope)

    def _hook(self, hook: Callable[..., Any], *args: Any) -> None:
        """Call one whose failure changes nothing."""
        try:
            with watched("on_failure" if args else "on_stop", hook):
                self._do(hook, *args)
        except Exception:
            _logger.exception("hook %s failed itself", name_of_hook(hook))

    def _completing(self) -> None:
        self._send(Reply(completing=True))

    def _progress(self, delivery: Delivery, value: Any) -> None:
        blob = encoded(delivery, value)
        if blob is not None:
            self._send(Reply(progress=blob))

    def _send(self, reply: Reply) -> None:
        blob = _encode(reply)
        with self._sending:
            self._pipe.send_bytes(blob)


async def _result(value: Awaitable[Any]) -> Any:
    return await value


def _imported(job: Job) -> Task[..., Any, Any]:
    found: Any = importlib.import_module(job.module)
    for part in job.name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Task):
        raise TypeError(
            f"{job.module}.{job.name} is no task: outside of `forebay worker`, which knows where the app is, a task "
            "that runs in a process of its own has to be at module level"
        )
    return cast("Task[..., Any, Any]", found)


if __name__ == "__main__":
    main()
