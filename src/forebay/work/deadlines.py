"""Time-outs: softly at `timeout`, hard at `timeout + grace`. A thread, so that a task that blocks the loop is struck too."""

import threading
import time
from collections.abc import Callable

from forebay.work.run import Run, Stop


class Deadlines:
    """Watches the runs that have a deadline.

    Args:
        stuck: called in this thread for a run that could not be stopped; its process has to go.
    """

    def __init__(self, stuck: Callable[[Run], None]) -> None:
        self._stuck = stuck
        self._runs: dict[int, Run] = {}
        self._next = float("inf")
        self._condition = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="forebay-deadlines", daemon=True)
        self._thread.start()

    def watch(self, run: Run) -> None:
        """Strike it when its time is up, unless it has finished."""
        if run.deadline is None:
            return
        with self._condition:
            self._runs[id(run)] = run
            if run.deadline < self._next:
                self._condition.notify()

    def forget(self, run: Run) -> None:
        """It has ended."""
        self._runs.pop(id(run), None)

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
                struck = self._look(now)
                if not struck:
                    self._condition.wait(None if self._next == float("inf") else max(0.0, self._next - now))
                    continue
            for run, hard in struck:
                if hard:
                    self._stuck(run)
                else:
                    run.halt(Stop.TIMEOUT)

    def _look(self, now: float) -> list[tuple[Run, bool]]:
        """Who is to be struck now, and how; sets when to look again."""
        struck: list[tuple[Run, bool]] = []
        self._next = float("inf")
        for run in list(self._runs.values()):
            deadline = run.deadline
            if deadline is None or run.finished:
                self._runs.pop(id(run), None)
            elif now < deadline:
                self._next = min(self._next, deadline)
            elif run.stop is Stop.TIMEOUT:
                self._runs.pop(id(run), None)
                struck.append((run, True))
            else:
                run.deadline = now + run.task.running.grace
                struck.append((run, False))
        return struck
