"""Synchronous tasks in threads: a run lives its whole life there, and only its outcome comes back.

Threads grow with the work. A thread that takes a run wakes the next one only if more is waiting, and at most one is on
its way at a time: tiny tasks then run one after the other in few threads, instead of each in a thread that has to be
woken for it, while tasks that wait spread over as many threads as there are slots.
"""

import asyncio
import contextvars
import ctypes
import threading
from collections import deque
from collections.abc import Callable

from forebay.engine.waiting import call_in
from forebay.model.errors import TimeLimit
from forebay.model.outcome import Outcome
from forebay.produce.context import enter
from forebay.work.executor import Executor
from forebay.work.run import Run, Stop

Done = Callable[[Run, Outcome], None]


class Interrupted(BaseException):
    """Raised in a thread to stop what runs there; a BaseException, so that `except Exception` lets it through."""


class Threads:
    """Up to `most` threads.

    Args:
        done: called on the loop with each run and its outcome.
    """

    def __init__(self, executor: Executor, most: int, done: Done) -> None:
        self._executor, self._most, self._done = executor, most, done
        self._loop = asyncio.get_running_loop()
        self._guard = threading.Lock()
        self._runs: deque[Run] = deque()
        self._asleep: list[threading.Lock] = []  # one per sleeping thread, held; last in, first woken
        self._coming = False  # a thread was woken or started, and has not looked for a run yet
        self._count = 0
        self._closed = False
        self._ends: deque[tuple[Run, Outcome]] = deque()
        self._telling = False

    def start(self, run: Run) -> None:
        """Run it as soon as a thread is free."""
        with self._guard:
            self._runs.append(run)
            self._call()

    def close(self) -> None:
        """End the idle threads; those that are stuck end with the process."""
        with self._guard:
            self._closed = True
            while self._asleep:
                self._asleep.pop().release()

    def _call(self) -> None:
        """Have one more thread come, if there is something for it and none is on its way. Called under the guard."""
        if self._coming or not self._runs:
            return
        if self._asleep:
            self._coming = True
            self._asleep.pop().release()
        elif self._count < self._most:
            self._coming = True
            self._count += 1
            threading.Thread(target=self._serve, name=f"forebay-task-{self._count}", daemon=True).start()

    def _take(self, bed: threading.Lock, *, arrived: bool) -> Run | None:
        """A run, or None after having put `bed` among the sleeping."""
        with self._guard:
            if arrived:
                self._coming = False
            if self._runs:
                run = self._runs.popleft()
                self._call()
                return run
            if not self._closed:
                self._asleep.append(bed)
            return None

    def _serve(self) -> None:
        bed, guard = threading.Lock(), threading.Lock()
        bed.acquire()
        arrived = True
        while True:
            run = self._take(bed, arrived=arrived)
            arrived = run is None
            if run is not None:
                self._tell(run, self._live(run, guard))
            elif self._closed:
                return
            else:
                bed.acquire()

    def _live(self, run: Run, guard: threading.Lock) -> Outcome:
        """The whole life of one message. Whatever strikes it late is caught here, so that the thread itself goes on."""
        strike = _Strike(run, guard)
        try:
            try:
                run.interrupt = strike
                if run.stop is not None:
                    raise Interrupted  # told to stop before it began
                value = contextvars.copy_context().run(_call, run)
            finally:
                strike.over()
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            return self._executor.failed(run, error)
        return self._executor.ended(run, value)

    def _tell(self, run: Run, result: Outcome) -> None:
        """Have the loop hear of it, with one wake-up for many."""
        self._ends.append((run, result))
        if not self._telling:
            self._telling = True
            call_in(self._loop, self._hear)

    def _hear(self) -> None:
        self._telling = False
        while self._ends:
            self._done(*self._ends.popleft())


def _call(run: Run) -> object:
    enter(run.context)
    return run.task.function(*run.args, **run.kwargs)


class _Strike:
    """Stops one run of the thread that makes it: raises there once, at the next step in Python, never after the run.

    It cannot break into a call of C code; the deadline can.
    """

    __slots__ = ("_guard", "_over", "_run", "_struck", "_thread")

    def __init__(self, run: Run, guard: threading.Lock) -> None:
        self._run, self._guard, self._thread = run, guard, threading.get_ident()
        self._over = self._struck = False

    def __call__(self) -> None:
        """Called by another thread."""
        with self._guard:
            if not self._over and not self._struck:
                self._struck = True
                _raise_in(self._thread, TimeLimit if self._run.stop is Stop.TIMEOUT else Interrupted)

    def over(self) -> None:
        """The run has ended: what was thrown and has not arrived is taken back."""
        with self._guard:
            self._over = True
            if self._struck:
                _raise_in(self._thread, None)
        self._run.finished = True


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    target = ctypes.py_object(error) if error is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), target)
