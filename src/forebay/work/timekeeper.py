"""When schedules fire: which ticks are due by the store's clock, and the messages they become. Needs no leader.

Every supervisor has a timekeeper; the store lets one of them have each tick. A schedule that cannot be read or fired
is told by its name, once, and stops none of the others.
"""

import logging
from collections.abc import Callable, Collection, Sequence

from forebay.engine.trouble import kind_of
from forebay.flow import cron
from forebay.model.errors import ConfigError, text_of
from forebay.model.message import Message
from forebay.observe.ticks import held, tick_id
from forebay.store.contract import Store
from forebay.store.records import Schedule

_logger = logging.getLogger("forebay.keeper")
#: The longest time between two looks, in seconds: new schedules are seen then.
LOOK = 2.0
#: The year 10,000, which no calendar here reaches.
_NEVER = 253_402_300_800.0


class Timekeeper:
    """Fires the schedules of a store.

    Args:
        queues: those whose messages go there only; all of them if None.
    """

    def __init__(self, store: Store, queues: Collection[str] | None = None) -> None:
        self._store, self._queues = store, queues
        self._told: dict[str, str] = {}

    async def fire_due(self) -> float:
        """Fire what is due; seconds until the next look.

        Raises:
            ForebayError: the schedules cannot be read.
        """
        schedules, now = await self.schedules(), await self._store.now()
        upcoming = now + LOOK
        for schedule in schedules:
            if not schedule.paused:
                upcoming = min(upcoming, await self._guarded(schedule, now))
        self._told = {one.name: self._told[one.name] for one in schedules if one.name in self._told}
        return max(0.0, upcoming - now)

    async def schedules(self) -> list[Schedule]:
        """Those that are fired here."""
        known = await self._store.schedules()
        return [one for one in known if self._queues is None or one.message.queue in self._queues]

    async def _guarded(self, schedule: Schedule, now: float) -> float:
        """`_fire`, whose failure is told once for each cause; a row of another version or zone must not stop others."""
        try:
            return await self._fire(schedule, now)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one row, the others have their ticks
            self._tell(schedule.name, logging.ERROR, f"cannot be fired: {type(error).__name__}: {text_of(error)}")
            return now + LOOK

    def _tell(self, name: str, level: int, trouble: str) -> None:
        """Once for each change."""
        if trouble and self._told.get(name) != kind_of(trouble):
            _logger.log(level, "schedule %s %s", name, trouble)
        self._told[name] = kind_of(trouble)

    async def _fire(self, schedule: Schedule, now: float) -> float:
        """Fire one, if it is due; its next tick."""
        if schedule.flaw:
            raise ConfigError(f"{schedule.flaw}; a worker of an app that declares it writes it again")
        tick = schedule.next
        if not tick < _NEVER:
            raise ConfigError(f"its next tick is no time ({tick}); a worker of an app that declares it writes it again")
        if tick < 0:
            self._tell(schedule.name, logging.WARNING, f"had a next tick that is no time ({tick}): it goes on")
            tick = 0.0
        if tick > now:
            return tick
        ticks, following = cron.due_ticks(schedule.cron, schedule.tz, tick, now, schedule.missed)
        reason = await held(self._store, schedule, now) if ticks else ""
        if reason:
            ticks = []
            self._tell(schedule.name, logging.WARNING, reason)
        messages = [tick_message(schedule, tick) for tick in ticks]
        last = ticks[-1] if ticks else None
        if await self._store.fire(schedule.name, schedule.next, following, messages, last) and messages:
            _logger.info("schedule %s fired%s", schedule.name, _times(messages))
        if messages:  # it works now: the same trouble is told again when it comes again
            self._told.pop(schedule.name, None)
        return following


async def put_schedules(store: Store, rows: Callable[[float], Sequence[Schedule]], *, mild: bool) -> None:
    """Keep in the store what an app says of its schedules.

    Args:
        rows: what it says, at a time.
        mild: for a process in the place of another, which changes none: a worker of a newer version may have done so.
    """
    there = {one.name for one in await store.schedules() if not one.flaw} if mild else set[str]()
    if said := [row for row in rows(await store.now()) if row.name not in there]:
        await store.put_schedules(said)


def _times(messages: Sequence[Message]) -> str:
    return "" if len(messages) == 1 else f" {len(messages)} times"


def tick_message(schedule: Schedule, tick: float) -> Message:
    """The message of one tick: its id follows from name and tick, so that it is one message whoever fires it."""
    return schedule.made(tick_id(schedule.name, tick))
