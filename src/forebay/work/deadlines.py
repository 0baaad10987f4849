"""Timeouts: softly at `timeout`, hard at `timeout + grace`. A thread: who blocks the loop is struck too."""

import threading
import time
from collections.abc import Callable

from forebay.engine import own
from forebay.work.run import Run, Stop


class Deadlines:
    """Watches the runs that have a deadline.

    Args:
        stuck: called in this thread for a run that could not be stopped; its process has to go.
    """

    def __init__(self, stuck: Callable[[Run], None]) -> None:
        self._stuck = stuck
        self._soft: dict[int, Run] = {}
        self._hard: dict[int, Run] = {}
        self._next = float("inf")
        self._condition = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="forebay-deadlines", daemon=True)
        own.begin(self._thread)

    def watch(self, run: Run) -> None:
        """Strike it when its time is up, unless it has finished."""
        if run.deadline is None:
            return
        with self._condition:
            self._soft[id(run)] = run
            if run.deadline < self._next:
                self._condition.notify()

    def forget(self, run: Run) -> None:
        """It has ended."""
        with self._condition:
            self._soft.pop(id(run), None)
            self._hard.pop(id(run), None)

    def close(self) -> None:
        """End the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while True:
            with self._condition:
                if self._closed:
                    return
                now = time.monotonic()
                soft, hard = _take(self._soft, now), _take(self._hard, now)
                for run in soft:
                    run.deadline = now + run.task.running.grace
                    self._hard[id(run)] = run
                if not soft and not hard:
                    self._sleep(now)
            for run in soft:
                run.halt(Stop.TIMEOUT)
            for run in hard:
                self._stuck(run)

    def _sleep(self, now: float) -> None:
        """Until the next deadline, or until a nearer one comes."""
        waiting = (*self._soft.values(), *self._hard.values())
        self._next = min((run.deadline for run in waiting if run.deadline is not None), default=float("inf"))
        self._condition.wait(None if self._next == float("inf") else max(0.0, self._next - now))
        self._next = float("inf")


def _take(runs: dict[int, Run], now: float) -> list[Run]:
    """Take out the runs that are due, and drop those that have ended meanwhile."""
    due: list[Run] = []
    for key, run in list(runs.items()):
        if run.finished:
            del runs[key]
        elif run.deadline is not None and run.deadline <= now:
            due.append(runs.pop(key))
    return due
