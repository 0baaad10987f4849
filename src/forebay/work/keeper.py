"""What keeps a fleet honest: heartbeats, recovery of the lost, cron, tidying. Every process that supervises runs one.

All of it is idempotent and needs no leader: two keepers do the same as one. A keeper imports none of the user's code,
so nothing of the user's can stop it.
"""

import asyncio
import logging
import platform
import time
from collections.abc import Awaitable, Callable, Sequence

from forebay.engine.contract import Beat, Engine
from forebay.model.clock import Clock
from forebay.model.errors import ForebayError
from forebay.store.contract import Store
from forebay.work.host import alive
from forebay.work.timekeeper import LOOK, Timekeeper

_logger = logging.getLogger("forebay.keeper")
#: Seconds between looks for processes of this host that are gone, and for leases that ran out.
WATCH, RECOVER = 0.5, 1.0
#: Seconds between rounds of tidying.
TIDY = 5.0
_TIDY_LIMIT = 5_000
#: Seconds until a duty that failed is tried again, at the latest.
_AGAIN = 1.0


class Keeper:
    """Keeps the leases of the workers in `beats`, and looks after everybody else's.

    Args:
        beats: the heartbeats of this keeper's own workers, as of now.
        expired: told the id of an own worker whose lease could not be renewed; it must not go on.
        lease: seconds that a lease holds; renewed three times within.
        schedules: whether to fire cron schedules.
    """

    def __init__(
        self,
        parts: tuple[Engine, Store, Clock],
        beats: Callable[[], Sequence[Beat]],
        expired: Callable[[str], None],
        lease: float,
        schedules: bool = True,
    ) -> None:
        self._engine, self._store, _ = parts
        self._timekeeper = Timekeeper(self._store)
        self._beats, self._expired, self._lease, self._schedules = beats, expired, lease, schedules
        self._host = platform.node()
        self._missing: frozenset[str] = frozenset()
        self._beaten = 0.0

    @property
    def answered(self) -> bool:
        """Whether the engine has taken the last heartbeats: it is not the engine, if somebody gets no answer."""
        return time.monotonic() - self._beaten < self._lease

    async def run(self) -> None:
        """Keep until cancelled."""
        duties = [
            _every(self._lease / 3, self.beat),
            _every(WATCH, self._watch),
            _every(min(RECOVER, self._lease / 3), self._recover),
            _every(TIDY, self._tidy),
        ]
        if self._schedules:
            duties.append(self._keep_time())
        async with asyncio.TaskGroup() as group:
            for duty in duties:
                group.create_task(duty)

    async def beat(self) -> None:
        """Renew the leases of the own workers."""
        beats = list(self._beats())
        if not beats:
            return
        verdicts = await self._engine.extend(beats)
        self._beaten = time.monotonic()
        for beat, renewed in zip(beats, verdicts, strict=True):
            if not renewed:
                _logger.error("worker %s lost its lease (was this host asleep?): it has to start anew", beat.worker)
                self._expired(beat.worker)

    async def _watch(self) -> None:
        """Processes of this host that are gone without a word; its own, this keeper's parent knows better.

        Missed twice in a row: a parent that lives knows better how its child ended, and gets the time to tell.
        """
        rows, own = await self._store.workers(), {beat.worker for beat in self._beats()}
        others = [row for row in rows if row.host == self._host and row.worker not in own]
        missing = frozenset(row.worker for row in others if not alive(row.pid))
        lost, self._missing = sorted(missing & self._missing), missing
        if lost:
            await self._report(lost)

    async def _recover(self) -> None:
        await self._report([])

    async def _report(self, lost: Sequence[str]) -> None:
        recovered = await self._engine.recover(lost)
        if recovered.workers:
            _logger.warning(
                "lost %s: %d messages made ready again, %d quarantined",
                ", ".join(recovered.workers), recovered.returned, recovered.quarantined,
            )  # fmt: skip

    async def _tidy(self) -> None:
        while await self._store.tidy(_TIDY_LIMIT) >= _TIDY_LIMIT:
            pass  # each round is a commit of its own, between which others get their turn

    async def _keep_time(self) -> None:
        while True:
            sleep = LOOK
            try:
                sleep = await self._timekeeper.fire_due()
            except ForebayError as error:
                _logger.error("cannot look at the schedules: %s", error)
            await asyncio.sleep(sleep)


async def _every(period: float, duty: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again; a failure is logged and tried again, never the end."""
    pause = period
    while True:
        await asyncio.sleep(pause)
        pause = period
        try:
            await duty()
        except ForebayError as error:
            pause = min(period, _AGAIN)
            _logger.error("%s, trying again in %g s", error, pause)
        except Exception:  # a flaw of ours, or of a file: without heartbeats all workers would end
            pause = min(period, _AGAIN)
            _logger.exception("a duty of the keeper failed, trying again in %g s", pause)
