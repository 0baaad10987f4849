"""Cron ticks: when a schedule is due, across time zones and the changes of summer time.

A tick is a wall-clock time in the schedule's zone. When clocks go forward, a tick in the skipped hour fires once, right
after it; when they go back, a fixed time of day fires once and an every-hour tick in both hours (what Debian's cron
does, and cronsim with it).
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from forebay.model.errors import ConfigError

MISSED = ("skip", "once", "all")
#: With missed="all", the most ticks that are caught up in one go.
CATCH_UP = 1_000


def check(cron: str, tz: str) -> None:
    """Raises ConfigError if the expression or the zone cannot be used."""
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"time zone {tz!r} is not known here: use an IANA name such as Europe/Vienna") from error
    try:
        next(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ConfigError(f"cron expression {cron!r} is not usable: {error or 'it never fires'}") from error


def following(cron: str, tz: str, after: float) -> float:
    """The first tick after a time; both in seconds since the epoch."""
    start = datetime.fromtimestamp(after, ZoneInfo(tz))
    for tick in CronSim(cron, start):
        if tick.timestamp() > after:
            return tick.timestamp()
    raise ConfigError(f"cron expression {cron!r} has no further tick")


def due_ticks(cron: str, tz: str, tick: float, now: float, missed: str) -> tuple[list[float], float]:
    """Which ticks to fire now, and the next one after `now`.

    Args:
        tick: the next tick as stored, not after `now`.
        missed: what to do with ticks that nobody fired in time. "skip" fires only one that is less than a minute old,
            "once" the last of them, "all" each of them.
    """
    ticks = [tick]
    while (upcoming := following(cron, tz, ticks[-1])) <= now and len(ticks) < CATCH_UP:
        ticks.append(upcoming)
    upcoming = following(cron, tz, now)
    if missed == "all":
        return ticks, upcoming
    last = ticks[-1]
    return ([] if missed == "skip" and now - last >= 60.0 else [last]), upcoming
