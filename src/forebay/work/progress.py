"""Progress reports on their way to the store: only the newest of each message, at most a few times a second."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from forebay.engine.waiting import call_in
from forebay.model.delivery import Delivery
from forebay.model.errors import BadArguments, EngineError
from forebay.model.outcome import Settlement
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
        self._newest: dict[str, tuple[Delivery, bytes]] = {}
        self._loop = asyncio.get_running_loop()
        self._some = asyncio.Event()
        self._told = False
        self._writing = asyncio.Lock()

    def report(self, delivery: Delivery, value: Any) -> None:
        """Keep the newest value of a message for the next write, as it is now."""
        blob = encoded(delivery, value)
        if blob is not None:
            self.newest(delivery, blob)

    def newest(self, delivery: Delivery, blob: bytes) -> None:
        """The same for a value that another process has encoded."""
        self._newest[delivery.id] = (delivery, blob)
        if not self._told:
            self._told = True
            call_in(self._loop, self._some.set)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._some.wait()
            await self.flush()
            await asyncio.sleep(EVERY)

    async def keep(self, settlements: Sequence[Settlement]) -> None:
        """Write what is new of messages that are about to be settled: afterwards nobody could."""
        if self._newest or self._writing.locked():
            await self._write_all([one.delivery.id for one in settlements])

    async def flush(self) -> None:
        """Write what is new, in one go."""
        self._some.clear()
        self._told = False  # before the look: what is reported from now on sets it again
        await self._write_all(list(self._newest))

    async def _write_all(self, ids: Sequence[str]) -> None:
        async with self._writing:
            reports = [self._newest.pop(id_) for id_ in ids if id_ in self._newest]
            await asyncio.gather(*(self._write(delivery, blob) for delivery, blob in reports))

    async def _write(self, delivery: Delivery, blob: bytes) -> None:
        try:
            if self._seal is not None:
                blob = self._seal.close(Part.PROGRESS, delivery, blob)
            await self._store.progress(delivery, blob)
        except EngineError as error:
            _logger.warning("progress of %s is not kept: %s", delivery.id, error)


def encoded(delivery: Delivery, value: Any) -> bytes | None:
    """A value of progress; None for one that cannot be kept, which is logged: it is no reason for a task to fail."""
    try:
        return encode_value(value)
    except BadArguments as error:
        _logger.warning("progress of %s is not kept: %s", delivery.id, error)
        return None
