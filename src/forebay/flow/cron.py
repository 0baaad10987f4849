"""When schedules tick: cron across time zones and the changes of summer time, names such as @daily, and intervals.

A cron tick is a wall-clock time in the schedule's zone. When clocks go forward, a tick in the skipped hour fires once,
right after it, unless it ticks in every hour; when they go back, a fixed time of day fires once and an every-hour tick
in both hours (what Debian's cron does, and cronsim with it). The ticks of an interval are its whole multiples since
1970-01-01 00:00 UTC, so that everybody finds the same ones, whenever they look.
"""

import heapq
import itertools
import math
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Final

from cronsim import CronSim, CronSimError

from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.zone import zone

MISSED = ("skip", "once", "all")
#: With missed="all", the most ticks that are caught up in one go.
CATCH_UP = 1_000
#: With missed="skip", the seconds after which a tick was missed.
LATE = 60.0
#: Names for some expressions, as in crontab files.
NAMES: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip

_EVERY = "every "
#: The shortest interval, and the longest: a hundred years of 366 days.
_SHORTEST, _LONGEST = 1.0, 36_600 * 86_400.0


def interval(every: Duration | None) -> str:
    """The expression of an interval, such as "every 30s".

    Raises:
        ConfigError: it is no duration, or shorter than a second.
    """
    if every is None:
        raise ConfigError("every= is missing: the seconds between two ticks, or a timedelta")
    length = seconds(every, "every")
    if not _SHORTEST <= length <= _LONGEST:
        raise ConfigError(f"every={every!r} is not usable: ticks are 1 s apart at least, and 100 years at most")
    return f"{_EVERY}{length:.15g}s"


def is_interval(cron: str) -> bool:
    """Whether an expression is that of an interval, which has no time zone."""
    return cron.startswith(_EVERY)


def check(cron: str) -> None:
    """Raises ConfigError if the expression cannot be used. Reads no file."""
    try:
        if is_interval(cron):
            interval(_length(cron))
        else:
            next(CronSim(_fields(cron), datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration, ConfigError) as error:
        raise ConfigError(f"cron expression {cron!r} is not usable: {error or 'it never fires'}") from error


def check_zone(tz: str) -> None:
    """Raises ConfigError if the zone is not known on this host."""
    _zone(tz)


def following(cron: str, tz: str, after: float) -> float:
    """The first tick after a time; both in seconds since the epoch.

    Raises:
        ConfigError: expression or zone are not known here, or it has no further tick.
    """
    try:
        return next(_after(cron, tz, after))
    except (CronSimError, StopIteration, OverflowError, ValueError, OSError) as error:
        why = str(error) or "there is none any more"
        raise ConfigError(f"the next tick of {cron!r} in {tz} cannot be found: {why}") from error


def due_ticks(cron: str, tz: str, tick: float, now: float, missed: str) -> tuple[list[float], float]:
    """Which ticks to fire now, and the next one after `now`.

    Args:
        tick: the next tick as stored, not after `now`; 0 if it is not known yet, and nothing was missed.
        missed: what to do with ticks that nobody fired in time. "skip" fires only one that is less than a minute old,
            "once" the last of them, "all" each of them, `CATCH_UP` at most.

    Raises:
        ConfigError: see `following`.
    """
    upcoming = following(cron, tz, now)
    if tick <= 0:
        return [], upcoming
    if missed == "all":
        ticks = [tick]
        while (another := following(cron, tz, ticks[-1])) <= now and len(ticks) < CATCH_UP:
            ticks.append(another)
        return ticks, upcoming
    last = _last(cron, tz, tick, now)
    return ([] if missed == "skip" and now - last >= LATE else [last]), upcoming


def _last(cron: str, tz: str, tick: float, now: float) -> float:
    """The last tick up to `now`, from `tick` on; looked for in spans that grow, so that years cost little more."""
    span = LATE
    while (start := now - span) > tick and following(cron, tz, start) > now:
        span *= 2
    last = tick
    for found in _after(cron, tz, max(start, tick)):
        if found > now:
            break
        last = found
    return last


def _after(cron: str, tz: str, after: float) -> Iterator[float]:
    """The ticks after a time, one after the other."""
    if is_interval(cron):
        length = seconds(_length(cron), "every")
        ticks: Iterator[float] = (count * length for count in itertools.count(math.floor(after / length)))
    else:
        ticks = _walls(_fields(cron), datetime.fromtimestamp(after, _zone(tz)))
    return (tick for tick in ticks if tick > after)


def _walls(fields: str, after: datetime) -> Iterator[float]:
    """The ticks of five fields. One in a skipped hour fires right after it also where its minutes begin with a star.

    For cronsim, and Debian's cron, those are like every minute of every hour, which nobody misses.
    """
    ticks = (wall.timestamp() for wall in CronSim(fields, after))
    minutes, *others = fields.split()
    if not minutes.startswith("*") or others[0].startswith("*") or after.tzinfo is UTC:
        return ticks
    told = ",".join(str(minute) for minute in sorted(CronSim(fields, after).minutes))
    named = (wall.timestamp() for wall in CronSim(" ".join([told, *others]), after))
    return (tick for tick, _ in itertools.groupby(heapq.merge(ticks, named)))


def _zone(tz: str) -> tzinfo:
    if tz == "UTC":
        return UTC
    try:
        return zone(tz)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _fields(cron: str) -> str:
    return NAMES.get(cron.strip(), cron)


def _length(cron: str) -> str:
    return cron.removeprefix(_EVERY)
