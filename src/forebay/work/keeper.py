"""What keeps a fleet honest: heartbeats, recovery of the lost, cron, tidying. Every process that supervises runs one.

All of it is idempotent and needs no leader: two keepers do the same as one. A keeper imports none of the user's code,
so nothing of the user's can stop it; and no row can: what cannot be done for one worker or schedule is told by its
name, and the others get theirs. Each duty goes by itself, so that none waits for another; no error ends one.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from forebay.engine.contract import Beat, Engine
from forebay.engine.trouble import Trouble
from forebay.model.clock import Clock
from forebay.model.delivery import Delivery
from forebay.model.outcome import Lose, Outcome
from forebay.model.ruling import SILENT
from forebay.store.contract import Store
from forebay.store.records import WorkerRow
from forebay.work import quota
from forebay.work.host import alive, identity
from forebay.work.timekeeper import LOOK, Timekeeper

_logger = logging.getLogger("forebay.keeper")
#: Seconds between looks for processes of this host that are gone, and for leases that ran out.
WATCH, RECOVER = 0.5, 1.0
#: Seconds between rounds of tidying.
TIDY = 5.0
_TIDY_LIMIT = 5_000
#: Seconds until a duty that failed is tried again, at the latest.
_AGAIN = 1.0


def _no_matter(delivery: Delivery, result: Outcome) -> None:
    """Nobody wants to know."""


class Keeper:
    """Keeps the leases of the workers in `beats`, and looks after everybody else's.

    Args:
        beats: the heartbeats of this keeper's own workers, as of now.
        expired: told the id of an own worker whose lease could not be renewed; it must not go on.
        lease: seconds that a lease holds; renewed three times within.
        schedules: whether to fire cron schedules.
        lost: told of each message that lost a worker which was buried here.
    """

    def __init__(
        self,
        parts: tuple[Engine, Store, Clock],
        beats: Callable[[], Sequence[Beat]],
        expired: Callable[[str], None],
        lease: float,
        schedules: bool = True,
        *,
        lost: Callable[[Delivery, Outcome], object] = _no_matter,
    ) -> None:
        self._engine, self._store, _ = parts
        self._beats, self._expired, self._lease, self._schedules = beats, expired, lease, schedules
        self._lost = lost
        self._host, self._trouble = identity(), Trouble(_logger)
        self._timekeeper = Timekeeper(self._store)
        self._missing: frozenset[str] = frozenset()
        self._beaten = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the engine took heartbeats, or had none to take."""
        return time.monotonic() - self._beaten

    @property
    def answered(self) -> bool:
        """Whether the engine has taken the last heartbeats: it is not the engine, if somebody gets no answer."""
        return self.silent < self._lease

    async def run(self) -> None:
        """Keep until cancelled."""
        duties = {
            "heartbeats": (self._lease / 3, self.beat),
            "the look for lost processes": (WATCH, self._watch),
            "the look for lost leases": (min(RECOVER, self._lease / 3), self._recover),
            "tidying": (TIDY, self._tidy),
            "the look at the CPU quota": (quota.LOOK, quota.Quota().look),
        }
        async with asyncio.TaskGroup() as group:
            for name, (period, duty) in duties.items():
                group.create_task(self._every(name, period, duty))
            if self._schedules:
                group.create_task(self._keep_time())

    async def _every(self, name: str, period: float, duty: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again, a little earlier each time by chance, so that keepers do not move in step."""
        pause = period
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))
            pause = period
            try:
                await duty()
                self._trouble.over(name)
            except Exception as error:  # noqa: BLE001 - without heartbeats all workers would end
                pause = min(period, _AGAIN)
                self._trouble.tell(name, error, advice=f"trying again every {pause:g} s")

    async def beat(self) -> None:
        """Renew the leases of the own workers."""
        beats = list(self._beats())
        if not beats:
            self._beaten = time.monotonic()
            return
        verdicts = await self._engine.extend(beats)
        self._beaten = time.monotonic()
        for beat, renewed in zip(beats, verdicts, strict=True):
            if not renewed:
                _logger.error(
                    "worker %s lost its lease, since the engine was away or this host slept for longer than that, or "
                    "the engine was emptied or restored, or its clock set: it has to restart",
                    beat.worker,
                )
                self._expired(beat.worker)

    async def _watch(self) -> None:
        """Processes of this host that are gone without a word; its own, this keeper's parent knows better.

        Missed twice in a row: a parent that lives knows better how its child ended, and gets the time to tell.
        """
        rows, own = await self._store.workers(self._host), {beat.worker for beat in self._beats()}
        others = [row for row in rows if row.worker not in own]
        missing = frozenset(row.worker for row in others if self._gone(row))
        lost, self._missing = sorted(missing & self._missing), missing
        if lost:
            await self._report(lost)

    def _gone(self, row: WorkerRow) -> bool:
        """Whether its process is gone; of one that nobody can tell about, its lease decides."""
        try:
            return not alive(row.pid, row.born)
        except Exception as error:  # noqa: BLE001 - a row of any content must not hide the others
            self._trouble.tell(f"worker {row.worker}", error, advice="its lease decides")
            return False

    async def _recover(self) -> None:
        await self._report([])

    async def _report(self, lost: Sequence[str]) -> None:
        """Bury those that are lost, and whoever is overdue by now; tell of what each of them held."""
        held = await self._held(lost)
        recovered = await self._engine.recover(lost)
        if not recovered.workers:
            return
        _logger.warning(
            "lost %s: %d messages made ready again, %d quarantined",
            ", ".join(recovered.workers), recovered.returned, recovered.quarantined,
        )  # fmt: skip
        taken = set(recovered.lost)  # a worker may have settled some meanwhile
        last: dict[str, Delivery] = {}  # one may have settled for retry what another one has leased since, and lost
        for delivery in [delivery for worker in recovered.workers for delivery in held.get(worker, ())]:
            if delivery.id in taken and (delivery.id not in last or delivery.fence > last[delivery.id].fence):
                last[delivery.id] = delivery
        for delivery in last.values():
            self._lost(delivery, Lose(SILENT))

    async def _held(self, lost: Sequence[str]) -> dict[str, list[Delivery]]:
        """What is held by those that may be buried now. They are buried whether or not that can be read."""
        held: dict[str, list[Delivery]] = {}
        name = "the look at what lost workers held"
        try:
            overdue = [row.worker for row in await self._store.workers() if row.left < RECOVER]
            for worker in dict.fromkeys([*lost, *overdue]):
                held[worker] = await self._store.held(worker)
            self._trouble.over(name)
        except Exception as error:  # noqa: BLE001 - a row of any content must not keep the others unburied
            self._trouble.tell(name, error, advice="their failures go unheard")
        return held

    async def _tidy(self) -> None:
        while await self._store.tidy(_TIDY_LIMIT) >= _TIDY_LIMIT:
            pass  # each round is a commit of its own, between which others get their turn

    async def _keep_time(self) -> None:
        while True:
            sleep = LOOK
            try:
                sleep = await self._timekeeper.fire_due()
                self._trouble.over("the look at the schedules")
            except Exception as error:  # noqa: BLE001 - the clock of all schedules must not stop
                self._trouble.tell("the look at the schedules", error)
            await asyncio.sleep(sleep)
