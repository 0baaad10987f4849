"""When schedules fire: which ticks are due by the store's clock, and the messages they become. Needs no leader.

Every supervisor has a timekeeper; the store lets one of them have each tick. A schedule that cannot be read or fired
is told by its name, once, and stops none of the others.
"""

import hashlib
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from forebay.flow import cron
from forebay.model.clock import Clock
from forebay.model.errors import ConfigError, text_of
from forebay.model.message import Message
from forebay.model.sealed import FIRED_BY
from forebay.store.contract import Schedule, Store

_logger = logging.getLogger("forebay.keeper")
#: The longest time between two looks, in seconds: new schedules are seen then.
LOOK = 2.0


class Timekeeper:
    """Fires the schedules of a store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._told: dict[str, str] = {}

    async def fire_due(self) -> float:
        """Fire what is due; seconds until the next look.

        Raises:
            ForebayError: the schedules cannot be read.
        """
        now = self._clock.now()
        upcoming = now + LOOK
        for schedule in await self._store.schedules():
            if not schedule.paused:
                upcoming = min(upcoming, await self._guarded(schedule, now))
        return max(0.0, upcoming - now)

    async def _guarded(self, schedule: Schedule, now: float) -> float:
        """`_fire`, whose failure is told once for each cause; a row of another version or zone must not stop others."""
        try:
            upcoming = await self._fire(schedule, now)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one row, the others have their ticks
            self._tell(schedule.name, f"{type(error).__name__}: {text_of(error)}")
            return now + LOOK
        self._tell(schedule.name, "")
        return upcoming

    def _tell(self, name: str, trouble: str) -> None:
        if trouble and self._told.get(name) != trouble:
            _logger.error("schedule %s cannot be fired: %s", name, trouble)
        self._told[name] = trouble

    async def _fire(self, schedule: Schedule, now: float) -> float:
        """Fire one, if it is due; its next tick."""
        if schedule.flaw:
            raise ConfigError(f"{schedule.flaw}; a worker of an app that declares it writes it anew")
        if schedule.next > now:
            return schedule.next
        ticks, following = cron.due_ticks(schedule.cron, schedule.tz, schedule.next, now, schedule.missed)
        messages = [tick_message(schedule, tick) for tick in ticks]
        if await self._store.fire(schedule.name, schedule.next, following, messages) and messages:
            _logger.info("schedule %s fired%s", schedule.name, _times(messages))
        return following


def _times(messages: Sequence[Message]) -> str:
    return "" if len(messages) == 1 else f" {len(messages)} times"


def tick_message(schedule: Schedule, tick: float) -> Message:
    """The message of one tick: its id follows from name and tick, so that it is one message whoever fires it."""
    headers = {**(schedule.message.headers or {}), FIRED_BY: schedule.name}
    return replace(schedule.message, id=tick_id(schedule.name, tick), headers=headers)


def tick_id(name: str, tick: float) -> str:
    """The id of the message of one tick; sorts among other ids by the time of the tick."""
    noise = hashlib.blake2b(f"{name} {tick}".encode(), digest_size=8).hexdigest()
    return f"{int(tick * 1000) << 16:016x}{noise}"
