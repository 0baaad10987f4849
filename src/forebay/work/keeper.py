"""What keeps a fleet honest: heartbeats, recovery of the lost, cron, tidying. Every process that supervises runs one.

All of it is idempotent and needs no leader: two keepers do the same as one. A keeper imports none of the user's code, so
nothing of the user's can stop it.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import platform
from collections.abc import Awaitable, Callable, Sequence

from forebay.engine.contract import Beat, Engine
from forebay.flow import cron
from forebay.model.clock import Clock
from forebay.model.errors import ForebayError
from forebay.model.message import Message
from forebay.model.sealed import FIRED_BY
from forebay.store.contract import Schedule, Store

_logger = logging.getLogger("forebay.keeper")
#: Seconds between looks for processes of this host that are gone, and for leases that ran out.
WATCH = 0.5
RECOVER = 1.0
#: Seconds between rounds of tidying, and the longest sleep of the scheduler (new schedules are seen then).
TIDY, SCHEDULE = 5.0, 2.0
_TIDY_LIMIT = 5_000


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
        self._engine, self._store, self._clock = parts
        self._beats, self._expired, self._lease, self._schedules = beats, expired, lease, schedules
        self._host = platform.node()

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
        for beat, renewed in zip(beats, await self._engine.extend(beats), strict=True):
            if not renewed:
                _logger.error("worker %s lost its lease (was this host asleep?): it has to start anew", beat.worker)
                self._expired(beat.worker)

    async def _watch(self) -> None:
        """Processes of this host that are gone without a word."""
        rows = await self._store.workers()
        lost = [row.worker for row in rows if row.host == self._host and not _alive(row.pid)]
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
            await asyncio.sleep(0)

    async def _keep_time(self) -> None:
        while True:
            sleep = SCHEDULE
            with contextlib.suppress(ForebayError):
                sleep = await self._fire_due()
            await asyncio.sleep(sleep)

    async def _fire_due(self) -> float:
        """Fire what is due; seconds until the next look."""
        now = self._clock.now()
        upcoming = now + SCHEDULE
        for schedule in await self._store.schedules():
            if schedule.paused:
                continue
            following = schedule.next
            if schedule.next <= now:
                ticks, following = cron.due_ticks(schedule.cron, schedule.tz, schedule.next, now, schedule.missed)
                messages = [tick_message(schedule, tick) for tick in ticks]
                if await self._store.fire(schedule.name, schedule.next, following, messages):
                    _logger.info("schedule %s fired %d times", schedule.name, len(messages))
            upcoming = min(upcoming, following)
        return max(0.0, upcoming - self._clock.now())


def tick_message(schedule: Schedule, tick: float) -> Message:
    """The message of one tick: its id follows from name and tick, so that it is one message whoever fires it."""
    noise = hashlib.blake2b(f"{schedule.name} {tick}".encode(), digest_size=8).hexdigest()
    return Message(
        id=f"{int(tick * 1000) << 16:016x}{noise}", queue=schedule.queue, task=schedule.task, body=schedule.body,
        headers={FIRED_BY: schedule.name},
    )  # fmt: skip


async def _every(period: float, duty: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again; a failure is logged and tried again, never the end."""
    while True:
        await asyncio.sleep(period)
        try:
            await duty()
        except ForebayError as error:
            _logger.error("%s, trying again in %g s", error, period)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
