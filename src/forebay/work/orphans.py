"""Providers that nobody looks after any more, though what waits for them is this worker's: it has them asked as usual.

A deploy removes or renames a provider while messages wait for it. The new workers run those tasks and do not know the
provider, so no governor would ever open it. Does not touch one whose messages are of tasks that this app does not have:
their own workers may come back.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from forebay.flow.breaker import closed
from forebay.flow.grant import set_back
from forebay.flow.orphan import orphaned
from forebay.model.lifecycle import State
from forebay.model.provider import Provider, meter_of, unkeyed
from forebay.produce.task import Task
from forebay.provider.steer import Used, change, let_go, listed
from forebay.store.contract import Store
from forebay.store.records import Query
from forebay.work.rounds import Rounds

_logger = logging.getLogger("forebay.provider")
#: Seconds between two looks, and after one that failed.
EVERY, _AGAIN = 10.0, 5.0
#: Messages of a task that are looked at.
_SAMPLE = 200


class Orphans:
    """One per worker.

    Args:
        known: the names of the providers of its app.
        queues: those that it serves.
    """

    def __init__(
        self, store: Store, known: Iterable[str], tasks: Mapping[str, Task[..., Any, Any]], queues: Sequence[str]
    ) -> None:
        self._store, self._known, self._tasks, self._queues = store, frozenset(known), tasks, frozenset(queues)

    async def declare(self) -> None:
        """There is nothing to say."""

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        await asyncio.sleep(EVERY)  # for whoever starts beside this worker
        await Rounds(_logger, "the look at providers of nobody", soonest=EVERY / 2, again=_AGAIN).go(self.look)

    async def look(self) -> float:
        """Have those asked as usual that nobody looks after; seconds until the next look."""
        others = [one for one in await listed(self._store) if one.name not in self._known]
        if others:
            slots = {
                meter.name: meter.slots for meter in await self._store.meters([meter_of(one.name) for one in others])
            }
            now = await self._store.now()
            for one in others:
                has = slots.get(meter_of(one.name))
                if set_back(one.at, now):
                    await change(self._store, one.name, _as_it_is)
                elif orphaned(one, has, now) and await self._waits_here(one):
                    await self._close(one, has)
        return EVERY

    async def _waits_here(self, one: Provider) -> bool:
        """Whether something waits in a lane of it that this worker would run."""
        lanes = {place.lane for place in one.places}
        for queue in sorted({place.queue for place in one.places} & self._queues):
            for name in sorted(self._tasks):
                for state in (State.PARKED, State.READY):
                    query = Query(queue=queue, task=name, state=state, limit=_SAMPLE)
                    if any(unkeyed(found.lane) in lanes for found in await self._store.messages(query)):
                        return True
        return False

    async def _close(self, one: Provider, has: int | None) -> None:
        after = await change(self._store, one.name, partial(_closed, has), anew=True)
        if after is not None:
            await let_go(self._store, after, keys=True)
            text = "provider %s: closed, for no running worker declares it, and tasks of this one waited for it (%s)"
            _logger.warning(text, one.name, one.reason or one.throttle or one.stand)


def _closed(has: int | None, one: Provider | None, now: float, _: Used) -> Provider | None:
    """As it is to be; None if somebody has come to look after it meanwhile."""
    return closed(one, now) if one is not None and orphaned(one, has, now) else None


def _as_it_is(one: Provider | None, _now: float, _used: Used) -> Provider | None:
    """Nothing changes, but that its times are written by the clock as it is."""
    return one
