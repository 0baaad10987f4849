"""Carries outcomes to the engine in batches, as large as they come while the last one is under way.

Bounded by the worker: it leases nothing while too many outcomes wait here. An engine that fails is asked again, with a
growing pause; nothing is dropped, for the message stays leased until it is settled or the lease runs out.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from forebay.engine.contract import Engine
from forebay.model.errors import EngineClosed, EngineError, text_of
from forebay.model.outcome import OVER, Release, Settlement

_logger = logging.getLogger("forebay.worker")
#: Settlements of one transaction.
MOST = 2_000
_PAUSE, _LONGEST = 0.1, 5.0


class Settler:
    """One per worker process.

    Args:
        before: awaited with each batch before it is settled: the last chance to write for a message that runs.

    Attributes:
        refused: told of each settlement that was not carried out.
        trouble: why the last batch could not be settled; "" once one is.
    """

    def __init__(
        self,
        engine: Engine,
        worker: str,
        before: Callable[[Sequence[Settlement]], Awaitable[None]],
    ) -> None:
        self._engine, self._worker, self._before = engine, worker, before
        self.refused: Callable[[Settlement], object] = _ignore
        self.trouble = ""
        self._waiting: list[Settlement] = []
        self._batch: list[Settlement] = []
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    @property
    def pending(self) -> int:
        """Outcomes that are not durable yet."""
        return len(self._waiting) + len(self._batch)

    def holds(self) -> Iterator[str]:
        """The messages whose outcomes are not durable yet."""
        return (one.delivery.id for one in (*self._waiting, *self._batch))

    def given_up(self) -> list[str]:
        """Messages that wait here to be handed back, which nobody runs."""
        unsettled = (*self._waiting, *self._batch)
        return [one.delivery.id for one in unsettled if isinstance(one.outcome, Release) and one.outcome is not OVER]

    def put(self, settlement: Settlement) -> None:
        """Settle soon."""
        if not self._waiting:
            self._some.set()
            self._none.clear()
        self._waiting.append(settlement)

    async def run(self) -> None:
        """Settle until cancelled.

        Raises:
            EngineClosed: nothing can be settled any more.
        """
        while True:
            await self._some.wait()
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not self._waiting:
                self._some.clear()
            self._batch = batch
            await self._settle(batch)
            self._batch, self.trouble = [], ""
            if not self._waiting:
                self._none.set()

    async def empty(self) -> None:
        """Until everything is settled."""
        await self._none.wait()

    async def _settle(self, batch: list[Settlement]) -> None:
        pause = _PAUSE
        while True:
            try:
                await self._before(batch)
                verdicts = await self._engine.settle(self._worker, batch)
            except EngineClosed:
                raise
            except EngineError as error:
                self.trouble = text_of(error)
                _logger.error("cannot settle %d messages, trying again in %.1f s: %s", len(batch), pause, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)
                continue
            for settlement, carried_out in zip(batch, verdicts, strict=True):
                if not carried_out:
                    self.refused(settlement)
            return


def _ignore(settlement: Settlement) -> None:
    """Nobody wants to know."""
