"""Where runs run: inside this process, or in one of their own; and when their time is up.

Each ends in one call of `done`, on the loop. Knows nothing of slots and of what is settled.
"""

import asyncio
import contextvars
from collections.abc import Callable

from forebay.config import Settings, WorkerOptions
from forebay.engine.waiting import call_in
from forebay.model.delivery import Delivery
from forebay.model.outcome import Outcome
from forebay.work.calls import Calls
from forebay.work.deadlines import Deadlines
from forebay.work.executor import Executor
from forebay.work.processes import Processes
from forebay.work.run import Run


class Pools:
    """All there is to run something.

    Args:
        options: how many threads and processes there may be.
        scope: the context variables that each run begins with.
        done: told how each run ended.
        stuck: told, in any thread, of one in this process that cannot be stopped, and of what is to become of it.
        progressed: told of the progress, encoded, of one in a process of its own.
    """

    def __init__(
        self,
        executor: Executor,
        options: WorkerOptions,
        settings: Settings,
        scope: contextvars.Context,
        *,
        done: Callable[[Run, Outcome], None],
        stuck: Callable[[Run, Outcome], None],
        progressed: Callable[[Delivery, bytes], None],
    ) -> None:
        self._executor, self._stuck = executor, stuck
        self._loop = asyncio.get_running_loop()
        self._calls: Calls[Run, Outcome] = Calls(options.concurrency, scope, executor.judge, done)
        self._deadlines = Deadlines(self._overdue)
        self._processes = Processes(
            executor, options, settings, done, watch=self._deadlines.watch, progressed=progressed
        )
        executor.completes.retire = self._processes.retire

    def start(self, run: Run) -> None:
        """Run it as soon as there is room.

        Raises:
            RuntimeError: there are no means to run it now; it was not taken.
        """
        if run.apart:
            self._processes.start(run)
            return
        if run.deadline is not None:
            self._deadlines.watch(run)
        self._calls.start(run)

    def forget(self, run: Run) -> None:
        """One that has a deadline has ended."""
        self._deadlines.forget(run)

    def dump(self) -> None:
        """Have the processes write where they stand to standard error."""
        self._processes.dump()

    async def close(self) -> None:
        """End what is idle; what is stuck in a thread ends with this process."""
        self._deadlines.close()
        self._calls.close()
        await self._processes.close()

    def _overdue(self, run: Run) -> None:
        """Called by the deadlines' thread: a run that did not stop when told to."""
        if run.apart:
            call_in(self._loop, self._processes.kill, run)
        else:
            self._stuck(run, self._executor.overdue(run))
