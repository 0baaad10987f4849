"""Synchronous code in threads of our own: a job lives its whole life there, and only its outcome comes back.

Threads grow with the work. A thread that takes a job wakes the next one only if more is waiting, and at most one is on
its way at a time: tiny tasks then run one after the other in few threads, instead of each in a thread that has to be
woken for it, while tasks that wait spread over as many threads as there are slots.

A job that is told to stop is struck: an exception is raised in its thread, in the user's code only (see
`engine/shield.py`).
"""

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from forebay.engine.shield import Mark, in_shared
from forebay.engine.waiting import call_in
from forebay.model.errors import TimeLimit
from forebay.work.run import Job, Stop

J = TypeVar("J", bound=Job)
R = TypeVar("R")
_logger = logging.getLogger("forebay.worker")
#: Seconds between looks whether a thread has left what nothing may strike in.
_LOOK = 0.005


class Interrupted(BaseException):
    """Raised in a thread to stop what runs there; a BaseException, so that `except Exception` lets it through."""


class Unfinished(NamedTuple):
    """What a plain function returned that has to be awaited: a decorator may hide that it is a coroutine function."""

    value: Awaitable[Any]
    scope: contextvars.Context


#: Calls a function of the user's so that it can be struck.
Expose = Callable[..., Any]


class Threads(Generic[J, R]):
    """Up to `most` threads.

    Args:
        call: calls the user's code of a job, by way of the given `Expose`.
        judge: in the same thread, what becomes of a job that returned a value or raised an error; never raises.
        done: called on the loop with each job and its judgement.
        go_on: called there instead with one that has returned something `Unfinished`, and that.
    """

    def __init__(
        self,
        most: int,
        call: Callable[[J, Expose], Any],
        judge: Callable[[J, Any, BaseException | None], R],
        done: Callable[[J, R], None],
        go_on: Callable[[J, Unfinished], None],
    ) -> None:
        self._most, self._call, self._judge, self._done, self._go_on = most, call, judge, done, go_on
        self._loop = asyncio.get_running_loop()
        self._guard = threading.Lock()
        self._jobs: deque[J] = deque()
        self._asleep: list[threading.Lock] = []  # one per sleeping thread, held; last in, first woken
        self._coming = False  # a thread was woken or started, and has not looked for a job yet
        self._count = 0
        self._closed = False
        self._ends: deque[tuple[J, R | Unfinished]] = deque()
        self._telling = False

    def start(self, job: J) -> None:
        """Run it as soon as a thread is free.

        Raises:
            RuntimeError: there is no thread, and none can be started; the job was not taken.
        """
        with self._guard:
            self._jobs.append(job)
            if self._coming:
                return
            try:
                self._come()
            except RuntimeError:
                if not self._count:
                    self._jobs.remove(job)
                    raise

    def close(self) -> None:
        """End the idle threads; those that are stuck end with the process."""
        with self._guard:
            self._closed = True
            while self._asleep:
                self._asleep.pop().release()

    def _come(self) -> None:
        """Have one more thread come, for which there is something, and none is on its way. Called under the guard."""
        if self._asleep:
            self._coming = True
            self._asleep.pop().release()
        elif self._count < self._most:
            threading.Thread(target=self._serve, name=f"forebay-task-{self._count + 1}", daemon=True).start()
            self._coming = True
            self._count += 1

    def _take(self, bed: threading.Lock, *, arrived: bool) -> J | None:
        """A job, or None after having put `bed` among the sleeping."""
        with self._guard:
            if arrived:
                self._coming = False
            if self._jobs:
                job = self._jobs.popleft()
                if self._jobs and not self._coming:
                    self._spread()
                return job
            if not self._closed:
                self._asleep.append(bed)
            return None

    def _spread(self) -> None:
        """Have another one come. If none can be started, those that there are do all the work."""
        try:
            self._come()
        except RuntimeError as error:
            _logger.warning("cannot start another thread for tasks, %d have to do: %s", self._count, error)

    def _serve(self) -> None:
        bed, mark = threading.Lock(), Mark()
        bed.acquire()
        arrived = True
        while True:
            job = self._take(bed, arrived=arrived)
            arrived = job is None
            if job is not None:
                self._tell(job, self._live(job, mark))
            elif self._closed:
                return
            else:
                mark.serve(None)  # while it sleeps nothing of the last job is kept
                bed.acquire()

    def _live(self, job: J, mark: Mark) -> R | Unfinished:
        """The whole life of one job in this thread."""
        mark.serve(job)
        job.interrupt = partial(_strike, job, mark)
        try:
            if job.stop is not None:
                raise _kind(job.stop)  # told to stop before it began
            value = self._call(job, mark.expose)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            job.finished = True
            return self._judge(job, None, error)
        if type(value) is Unfinished:
            return value
        job.finished = True
        return self._judge(job, value, None)

    def _tell(self, job: J, result: R | Unfinished) -> None:
        """Have the loop hear of it, with one wake-up for many."""
        self._ends.append((job, result))
        if not self._telling:
            self._telling = True
            call_in(self._loop, self._hear)

    def _hear(self) -> None:
        self._telling = False
        while self._ends:
            job, result = self._ends.popleft()
            try:
                if isinstance(result, Unfinished):
                    self._go_on(job, result)
                else:
                    self._done(job, result)
            except Exception:
                _logger.exception("a flaw of Forebay: the end of a task was not taken note of")


def _kind(why: Stop) -> type[BaseException]:
    """What is raised in a thread to stop what runs there."""
    return TimeLimit if why is Stop.TIMEOUT else Interrupted


def _strike(job: Job, mark: Mark, why: Stop) -> None:
    """Raise in the thread of a job, at its next step in Python; it cannot break into a call of C code.

    Not while it takes or gives back a lock that the whole process shares, as those of logging: that is over soon.
    """
    kind = _kind(why)
    if in_shared(mark.thread):
        threading.Thread(target=_strike_later, args=(job, mark, kind), name="forebay-strike", daemon=True).start()
    else:
        mark.strike(job, kind)


def _strike_later(job: Job, mark: Mark, kind: type[BaseException]) -> None:
    pause = threading.Event()
    while not job.finished and in_shared(mark.thread):
        pause.wait(_LOOK)
    mark.strike(job, kind)
