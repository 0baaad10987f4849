"""Messages that the engine says this worker holds, and that it knows nothing of: handed back.

A lease that was carried out and whose answer was lost leaves such, and its worker lives, so that its lease never runs
out. They are looked for after each lease that failed, and now and then. While some are found nothing is leased for a
moment: what is held then, and is known to nobody here, has been brought by no answer, and none is on its way.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence

from forebay.engine.contract import Engine, Want
from forebay.engine.trouble import Trouble
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineClosed, EngineError, LeaseLost
from forebay.model.outcome import Release, Settlement
from forebay.store.contract import Store

_logger = logging.getLogger("forebay.worker")
#: Seconds between looks after a lease that failed, for a request may be carried out late; and between the others.
SOON, PERIOD = (1.0, 5.0, 15.0), 60.0
#: Seconds that a lease gets to be answered while no other begins, and between looks whether it is.
PATIENCE, _LOOK = 30.0, 0.02
_NAME = "the look for strays"


class Strays:
    """The look for strays of one worker.

    Args:
        known: the ids of all messages that are known here.
        asking: whether a lease is under way.

    Attributes:
        looking: no lease may begin now.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        worker: str,
        known: Callable[[], Collection[str]],
        asking: Callable[[], bool],
    ) -> None:
        self._engine, self._store, self._worker = engine, store, worker
        self._known, self._asking = known, asking
        self._missed, self._trouble = asyncio.Event(), Trouble(_logger)
        self.looking = False

    def missed(self) -> None:
        """A lease failed, and may have taken something."""
        self._missed.set()

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            EngineClosed: nothing can be asked any more.
        """
        while True:
            if await self._wait():
                for pause in SOON:
                    await asyncio.sleep(pause)
                    await self._look()
            else:
                await self._look()

    async def left(self, queues: Sequence[str]) -> Sequence[Delivery]:
        """Those of a worker that leases no more: of a lease that was under way when its feed was stopped, say."""
        with contextlib.suppress(EngineError, LeaseLost):
            await self._engine.lease(Want(self._worker, queues, 0))  # wants no more; answered after all before it
            return await self._unknown()
        return ()

    async def _wait(self) -> bool:
        """Until a lease has failed, or the period is over; whether one has."""
        try:
            async with asyncio.timeout(PERIOD):
                await self._missed.wait()
        except TimeoutError:
            return False
        self._missed.clear()
        return True

    async def _look(self) -> None:
        try:
            if await self._unknown():
                await self._hand_back()
            self._trouble.over(_NAME)
        except EngineClosed:
            raise
        except (EngineError, LeaseLost):
            self._missed.set()  # it does not answer now
        except Exception as error:  # noqa: BLE001 - a row of any content must not end this worker
            self._trouble.tell(_NAME, error, advice=f"trying again in {PERIOD:g} s")

    async def _unknown(self) -> Sequence[Delivery]:
        held = await self._store.held(self._worker)
        known = self._known()
        return [delivery for delivery in held if delivery.id not in known]

    async def _hand_back(self) -> None:
        """Those that are unknown while no lease is under way."""
        self.looking = True
        try:
            async with asyncio.timeout(PATIENCE):
                while self._asking():  # noqa: ASYNC110 - it is rare, and several feeds would have to tell
                    await asyncio.sleep(_LOOK)
            if strays := await self._unknown():
                ends = [Settlement(delivery, Release()) for delivery in strays]
                _tell(strays, await self._engine.settle(self._worker, ends))
        except TimeoutError:
            self._missed.set()
        finally:
            self.looking = False


def _tell(strays: Sequence[Delivery], handed_back: Sequence[bool]) -> None:
    """Of those that were: what was settled while it was looked is none."""
    if found := [delivery.id for delivery, done in zip(strays, handed_back, strict=True) if done]:
        text = "%d messages were leased by a call whose answer was lost: handed back, %s for one"
        _logger.warning(text, len(found), found[0])
