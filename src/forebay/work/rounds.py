"""The rounds of a governor: look, rest until it is time or something urgent has happened, and look again.

A look that fails is told once, and tried again; only an engine that is closed ends the rounds.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from forebay.engine.trouble import Trouble
from forebay.model.errors import EngineClosed


class Rounds:
    """One per governor, in its loop.

    Args:
        name: what the log calls a look.
        soonest: seconds between two looks at the least, whatever happens. again: after one that failed.

    Attributes:
        wake: set when something is urgent; in the loop's own thread.
    """

    def __init__(self, logger: logging.Logger, name: str, *, soonest: float, again: float) -> None:
        self._trouble, self._name, self._soonest, self._again = Trouble(logger), name, soonest, again
        self.wake = asyncio.Event()

    async def go(self, look: Callable[[], Awaitable[float]]) -> None:
        """Call `look`, which says in how many seconds to look again, until cancelled.

        A little earlier each time by chance, so that the governors of a fleet do not move in step.
        """
        while True:
            began = time.monotonic()
            self.wake.clear()
            try:
                pause = await look()
                self._trouble.over(self._name)
            except EngineClosed:
                raise
            except Exception as error:  # noqa: BLE001 - what is not known now is tried again
                pause = self._again
                self._trouble.tell(self._name, error)
            await self._rest(pause * random.uniform(0.8, 1.0) - (time.monotonic() - began))

    async def _rest(self, pause: float) -> None:
        await asyncio.sleep(self._soonest)
        try:
            async with asyncio.timeout(max(0.0, pause - self._soonest)):
                await self.wake.wait()
        except TimeoutError:
            pass
