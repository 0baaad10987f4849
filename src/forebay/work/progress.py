"""Progress reports on their way to the store: only the newest of each message, a few times a second."""

import asyncio
import logging
from typing import Any

from forebay.model.delivery import Delivery
from forebay.model.errors import BadArguments, EngineError
from forebay.model.sealed import Part
from forebay.produce.codec import encode_value
from forebay.produce.seal import Seal
from forebay.store.contract import Results

_logger = logging.getLogger("forebay.worker")
#: Seconds between writes.
EVERY = 0.1


class Progress:
    """Bounded by the messages that run; `report` may be called from any thread."""

    def __init__(self, store: Results, seal: Seal | None = None) -> None:
        self._store, self._seal = store, seal
        self._newest: dict[str, tuple[Delivery, Any]] = {}

    def report(self, delivery: Delivery, value: Any) -> None:
        """Keep the newest value of a message for the next write."""
        self._newest[delivery.id] = (delivery, value)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write what is new."""
        while self._newest:
            _, (delivery, value) = self._newest.popitem()
            try:
                blob = encode_value(value)
                if self._seal is not None:
                    blob = self._seal.close(Part.PROGRESS, delivery, blob)
                await self._store.progress(delivery, blob)
            except (EngineError, BadArguments) as error:
                _logger.warning("progress of %s is not kept: %s", delivery.id, error)
