"""Synchronous tasks in threads: a run lives its whole life there, and only its outcome comes back."""

import asyncio
import contextvars
import ctypes
import queue
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
    """Threads that grow with the work, up to `most`.

    Args:
        done: called on the loop with each run and its outcome.
    """

    def __init__(self, executor: Executor, most: int, done: Done) -> None:
        self._executor, self._most, self._done = executor, most, done
        self._loop = asyncio.get_running_loop()
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._ends: deque[tuple[Run, Outcome]] = deque()
        self._telling = False
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def start(self, run: Run) -> None:
        """Run it as soon as a thread is free."""
        self._busy += 1
        self._runs.put(run)
        if self._busy > len(self._threads) < self._most:
            thread = threading.Thread(target=self._serve, name=f"forebay-task-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End the idle threads; those that are stuck end with the process."""
        for _ in self._threads:
            self._runs.put(None)

    def _serve(self) -> None:
        me = threading.get_ident()
        while True:
            try:
                run = self._runs.get()
                if run is None:
                    return
                result = self._live(run, me)
            except (TimeLimit, Interrupted):
                continue  # struck after its task had ended
            self._ends.append((run, result))
            if not self._telling:
                self._telling = True
                call_in(self._loop, self._tell)

    def _live(self, run: Run, me: int) -> Outcome:
        run.interrupt = lambda: _raise_in(me, TimeLimit if run.stop is Stop.TIMEOUT else Interrupted)
        try:
            if run.stop is not None:
                raise Interrupted  # told to stop before it began
            value = contextvars.copy_context().run(_call, run)
            run.finished = True
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            return self._executor.failed(run, error)
        return self._executor.ended(run, value)

    def _tell(self) -> None:
        self._telling = False
        while self._ends:
            run, result = self._ends.popleft()
            self._busy -= 1
            self._done(run, result)


def _call(run: Run) -> object:
    enter(run.context)
    return run.task.function(*run.args, **run.kwargs)


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise in another thread, at its next step in Python. It cannot break into a call of C code; the deadline can."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
