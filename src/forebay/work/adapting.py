"""A worker that finds out how many tasks it runs at a time (`WorkerOptions.adaptive`): notes how they end, and says so.

`flow.adaptive` decides, once a second. Slots of processes, for `cpu=True` tasks, are as many as before.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

from forebay.config import WorkerOptions
from forebay.flow.adaptive import ENOUGH, STEP, Adaptive, Seen, step, telling
from forebay.work.run import Run, Stop
from forebay.work.runs import Runs

_logger = logging.getLogger("forebay.worker")
#: Steps for which ends are gathered until they are judged, however few they are.
PATIENCE = 10
_NONE = Seen(0, 0.0)


class Resized(Protocol):
    """What has slots: a feed; `elastic` if they may become fewer."""

    elastic: bool

    @property
    def running(self) -> int: ...
    def resize(self, slots: int) -> None:
        """From now on it runs so many at a time; what runs already goes on."""
        ...


class Adapting:
    """How many tasks run at a time here.

    Args:
        options: how many, if all is well, and whether it may be fewer.
        feeds: those that run tasks. runs: tell of each end.

    Attributes:
        most: how many, if all is well.
    """

    def __init__(self, options: WorkerOptions, feeds: Sequence[Resized], runs: Runs) -> None:
        self.most, self._adaptive = options.concurrency, options.adaptive
        self._feeds = [feed for feed in feeds if feed.elastic]
        if self._adaptive:
            runs.ended = self.ended
        self._state = Adaptive(float(self.most))
        self._seen: dict[str, Seen] = {}
        self._waited = 0

    @property
    def slots(self) -> int:
        """How many may run now."""
        return self._state.slots

    def ended(self, run: Run) -> None:
        """A run has come to its end; what was stopped for another reason than its timeout says nothing."""
        late = run.stop is Stop.TIMEOUT or isinstance(run.error, TimeoutError)
        took, name = time.monotonic() - run.started, run.task.name
        if late or (run.stop is None and telling(self._state, name, took, failed=run.error is not None)):
            self._seen[name] = self._seen.get(name, _NONE).plus(took, late=late)

    async def declare(self) -> None:
        """Nothing of it is kept in the store."""

    async def run(self) -> None:
        """Adapt until cancelled."""
        while not self._adaptive:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(STEP)
            self._step()

    def _step(self) -> None:
        n, busy = sum(one.n for one in self._seen.values()), any(feed.running for feed in self._feeds)
        self._waited += 1
        if n < ENOUGH and (busy or n) and self._waited < PATIENCE:
            return
        if not n and busy:
            return  # nothing has ended: nobody knows
        before, self._state = self._state, step(self._state, self.most, self._seen)
        self._seen, self._waited = {}, 0
        if self.slots != before.slots:
            for feed in self._feeds:
                feed.resize(self.slots)
        self._tell(before)

    def _tell(self, before: Adaptive) -> None:
        if before.slots == self.most > self.slots:
            _logger.warning(
                "tasks time out, or take %.1f times as long as usual: fewer than %d at a time until that is over",
                self._state.stretch, self.most,
            )  # fmt: skip
        elif before.slots < self.most == self.slots:
            _logger.info("up to %d tasks at a time again", self.most)
