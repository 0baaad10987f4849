"""Tasks in processes of their own: `cpu=True`, and messages that have cost workers their life before.

One task at a time in each; it may crash, hang or eat memory without hurting a neighbour, and it can be killed. A child
gets the delivery, lives its life with an executor of its own, and sends the outcome back. Only MessagePack crosses.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection
from functools import partial

from msgspec.structs import replace

from forebay.config import Settings, WorkerOptions
from forebay.engine.waiting import call_in
from forebay.flow.weight import too_heavy
from forebay.model.delivery import Delivery
from forebay.model.errors import ForebayError, text_of
from forebay.model.message import Failure
from forebay.model.outcome import DeadLetter, Lose, Outcome, Release, Retry
from forebay.model.topology import Edge
from forebay.work import sayings
from forebay.work.cell import Cell
from forebay.work.executor import Executor
from forebay.work.run import AGAIN, Run, Stop

_logger = logging.getLogger("forebay.worker")
#: Seconds that a run waits here for a process, and then elsewhere: other workers may have one.
PATIENCE = 1.0
#: Seconds between looks at the memory of those that work.
_WEIGH = 0.5
#: Seconds between looks at whether one that works is held still.
_LOOK = 5.0
#: Seconds that idle ones get to call the app's `on_stop` and leave, all together.
_FAREWELL = 1.0


class Processes:
    """Child processes, started when needed and kept: as many as `options.cpu`, or as there are cores.

    Args:
        done: told on the loop how each run ended.
        watch: told of each run whose time begins.
        progressed: told of progress, encoded.
    """

    def __init__(
        self,
        executor: Executor,
        options: WorkerOptions,
        settings: Settings,
        done: Callable[[Run, Outcome], None],
        *,
        watch: Callable[[Run], None],
        progressed: Callable[[Delivery, bytes], None],
    ) -> None:
        self._executor, self._options, self._settings = executor, options, settings
        self._done, self._watch, self._progressed = done, watch, progressed
        self._most = options.cpu or os.cpu_count() or 1
        self._loop = asyncio.get_running_loop()
        self._idle: list[Cell] = []
        self._all: set[Cell] = set()
        self._waiting: deque[Run] = deque()
        self._closed = False
        self._scale: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._still: set[Cell] = set()

    def start(self, run: Run) -> None:
        """Run it as soon as a process is free."""
        run.interrupt = partial(call_in, self._loop, self._drop, run)
        self._waiting.append(run)
        if run.stop is not None:
            run.interrupt(run.stop)
        self._next()
        if run in self._waiting:
            self._loop.call_later(PATIENCE, self._give_up, run)

    def kill(self, run: Run) -> None:
        """End the process of a run that did not stop when told to."""
        for cell in self._all:
            if cell.run is run:
                cell.kill()

    def retire(self, id_: str) -> bool:
        """End the process in which a message left its transaction open, once it is idle; false if it is not known."""
        for cell in [cell for cell in self._all if id_ in cell.within]:
            cell.spent = True
            if cell in self._idle:
                self._idle.remove(cell)
                self._let_go(cell)
            return True
        return False

    def dump(self) -> None:
        """Have all of them write where they stand to standard error."""
        for cell in self._all:
            cell.dump()

    async def close(self) -> None:
        """Let the idle ones leave, kill all others, and leave none behind; what they ran was told before."""
        self._closed = True
        for timer in (self._scale, self._look):
            if timer is not None:
                timer.cancel()
        for cell in self._all:
            if cell in self._idle:
                cell.dismiss()
            else:
                cell.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await asyncio.gather(*(cell.gone.wait() for cell in self._all))
        for cell in list(self._all):
            cell.kill()
            cell.ended()

    def _next(self) -> None:
        while self._waiting and (self._idle or len(self._all) < self._most):
            cell = self._idle.pop() if self._idle else self._make()
            if cell is None:
                return  # who waits gives up in time
            cell.give(self._waiting.popleft())

    def _make(self) -> Cell | None:
        try:
            cell = Cell(self, self._options, self._settings)
        except (OSError, RuntimeError, MemoryError) as error:
            _logger.error("cannot start a process for cpu tasks: %s", text_of(error) or type(error).__name__)
            return None
        self._all.add(cell)
        if self._look is None:
            self._look = self._loop.call_later(_LOOK, self._tell_stopped)
        if self._options.max_memory and self._scale is None:
            self._scale = self._loop.call_later(_WEIGH, self._weigh)
        return cell

    def _drop(self, run: Run, _: Stop) -> None:
        """Told to stop while it waits for a process; waiting is no part in the loss of a supervisor."""
        if run in self._waiting:
            self._waiting.remove(run)
            if run.stop is Stop.ORPHANED:
                run.stop = Stop.HAND_BACK
            self._finish(run, self._executor.judge(run, None, asyncio.CancelledError()))

    def _give_up(self, run: Run) -> None:
        """It found no process here in time."""
        if run in self._waiting:
            self._waiting.remove(run)
            self._finish(run, Release(AGAIN, "no process of this worker was free"))

    def _weigh(self) -> None:
        """End those that have outgrown the limit by far while their task runs."""
        self._scale = self._loop.call_later(_WEIGH, self._weigh)
        for cell in self._all:
            if cell.run is not None and (heavy := too_heavy(cell.memory(), self._options.max_memory)):
                _logger.error("the process of %s %s %s", cell.run.task.name, cell.run.delivery.id, heavy)
                cell.kill(heavy)

    def _tell_stopped(self) -> None:
        """Name those that are held still while their task runs: to all others it looks like a task that takes long."""
        self._look = self._loop.call_later(_LOOK, self._tell_stopped) if self._all else None
        still = {cell: cell.run for cell in self._all if cell.run is not None and cell.is_stopped()}
        for cell, run in still.items():
            if cell not in self._still:
                _logger.warning("%s", sayings.still(run.task.name, run.delivery.id, cell.pid))
        self._still = set(still)

    # --- what a cell tells ---

    def timed(self, run: Run) -> None:
        """The time of a run begins."""
        if (timeout := run.task.running.timeout) is not None:
            run.deadline = time.monotonic() + timeout
            self._watch(run)

    def progressed(self, run: Run, blob: bytes) -> None:
        """A run reports progress."""
        self._progressed(run.delivery, blob)

    def fed(self, edges: Collection[Edge]) -> None:
        """A run has published into these queues."""
        if edges and self._executor.feeding is not None:
            self._executor.feeding.merge(edges)

    def finished(self, run: Run, result: Outcome) -> None:
        """A cell sent an outcome."""
        self._finish(run, result)

    def unloaded(self, run: Run, failure: Failure) -> None:
        """An attempt that failed, like any other: what a hook has to reach at the start may be away for a moment."""
        result = self._executor.judge(run, None, ForebayError(f"task {run.task.name!r} cannot be loaded: {failure}"))
        if isinstance(result, Retry | DeadLetter) and result.failure is not None:
            result = replace(result, failure=replace(result.failure, traceback=failure.traceback))
        run.error = None  # what is worth reading is the traceback of there
        self._finish(run, result)

    def freed(self, cell: Cell) -> None:
        """A cell is idle."""
        if cell.spent or (self._options.max_memory and cell.memory() > self._options.max_memory):
            self._let_go(cell)
        else:
            self._idle.append(cell)
        self._next()

    def _let_go(self, cell: Cell) -> None:
        cell.dismiss()
        self._loop.call_later(_FAREWELL, cell.kill)

    def died(self, cell: Cell, run: Run | None, how: str) -> None:
        """A cell ended; its run, if any, was told to stop, or took it down."""
        self._all.discard(cell)
        if cell in self._idle:
            self._idle.remove(cell)
        if run is not None:
            stopped = run.stop is not None
            lost = Release(AGAIN, "no process of this worker could start") if cell.unable else Lose(how)
            self._finish(run, self._executor.judge(run, None, asyncio.CancelledError()) if stopped else lost)
        if not self._closed:
            self._next()

    def _finish(self, run: Run, result: Outcome) -> None:
        run.finished = True
        self._done(run, result)
