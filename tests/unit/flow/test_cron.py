"""Cron in several time zones, by known dates: what happens in the night in which the clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from forebay.flow.cron import CATCH_UP, check, check_zone, due_ticks, following
from forebay.model.errors import ConfigError

VIENNA, NEW_YORK, LORD_HOWE, SANTIAGO = "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "America/Santiago"


def at(text, tz):
    """Seconds since the epoch of a wall-clock time; a second `fold` of a repeated hour is written with a trailing *."""
    wall = datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=ZoneInfo(tz), fold=int(text.endswith("*")))
    return wall.timestamp()


def walls(cron, tz, start, count):
    """The next ticks after a wall-clock time, with their offset from UTC in hours."""
    now, found = at(start, tz), []
    for _ in range(count):
        now = following(cron, tz, now)
        wall = datetime.fromtimestamp(now, ZoneInfo(tz))
        found.append(f"{wall:%d %H:%M} {wall.utcoffset().total_seconds() / 3600:+g}")
    return found


def test_an_ordinary_day():
    assert walls("30 9 * * 1-5", "UTC", "2026-11-27T10:00", 2) == ["30 09:30 +0", "01 09:30 +0"]
    assert walls("0 0 29 2 *", "UTC", "2026-01-01T00:00", 1) == ["29 00:00 +0"]


@pytest.mark.parametrize(
    ("tz", "cron", "start", "ticks"),
    [
        (VIENNA, "30 2 * * *", "2026-03-28T03:00", ["29 03:00 +2", "30 02:30 +2"]),
        (NEW_YORK, "30 2 * * *", "2026-03-07T03:00", ["08 03:00 -4", "09 02:30 -4"]),
        (LORD_HOWE, "15 2 * * *", "2026-10-03T03:00", ["04 02:30 +11", "05 02:15 +11"]),
    ],
)
def test_a_tick_in_the_hour_that_is_skipped_fires_right_after_it(tz, cron, start, ticks):
    assert walls(cron, tz, start, 2) == ticks


@pytest.mark.parametrize(
    ("tz", "cron", "start", "ticks"),
    [
        (VIENNA, "30 2 * * *", "2026-10-24T03:00", ["25 02:30 +2", "26 02:30 +1"]),
        (NEW_YORK, "30 1 * * *", "2026-10-31T02:00", ["01 01:30 -4", "02 01:30 -5"]),
        (LORD_HOWE, "45 1 * * *", "2026-04-04T03:00", ["05 01:45 +11", "06 01:45 +10.5"]),
    ],
)
def test_a_fixed_time_in_the_hour_that_comes_twice_fires_once(tz, cron, start, ticks):
    assert walls(cron, tz, start, 2) == ticks


@pytest.mark.parametrize(
    ("tz", "cron", "start", "ticks"),
    [
        (VIENNA, "*/15 2 * * *", "2026-03-29T00:30", ["29 03:00 +2", "30 02:00 +2", "30 02:15 +2"]),
        (NEW_YORK, "* 2 * * *", "2026-03-08T00:30", ["08 03:00 -4", "09 02:00 -4", "09 02:01 -4"]),
        (VIENNA, "*/30 1-3 * * *", "2026-03-29T01:15", ["29 01:30 +1", "29 03:00 +2", "29 03:30 +2"]),
        (VIENNA, "*/30 2 * * *", "2026-10-25T01:30", ["25 02:00 +2", "25 02:30 +2", "25 02:00 +1"]),
        (VIENNA, "*/15 2 29 3 *", "2026-03-29T00:30", ["29 03:00 +2", "29 02:00 +2", "29 02:15 +2"]),
    ],
)
def test_ticks_of_every_few_minutes_of_a_skipped_hour_fire_once_right_after_it(tz, cron, start, ticks):
    assert walls(cron, tz, start, 3) == ticks


def test_an_hourly_tick_fires_in_both_of_the_repeated_hours_and_not_in_the_skipped_one():
    assert walls("0 * * * *", VIENNA, "2026-10-25T01:30", 3) == ["25 02:00 +2", "25 02:00 +1", "25 03:00 +1"]
    assert walls("0 * * * *", VIENNA, "2026-03-29T00:30", 3) == ["29 01:00 +1", "29 03:00 +2", "29 04:00 +2"]


def test_a_midnight_that_does_not_exist_fires_at_the_first_moment_of_the_day():
    assert walls("0 0 * * *", SANTIAGO, "2026-09-05T12:00", 2) == ["06 01:00 -3", "07 00:00 -3"]


def test_the_next_tick_is_later_even_from_a_tick_itself():
    tick = following("*/5 * * * *", "UTC", 1000.0)
    assert tick == 1200.0
    assert following("*/5 * * * *", "UTC", tick) == 1500.0
    assert following("*/5 * * * *", "UTC", tick - 0.5) == tick


@pytest.mark.parametrize(
    ("missed", "now", "fired"),
    [
        ("all", 1801.0, [1200.0, 1500.0, 1800.0]),
        ("once", 1801.0, [1800.0]),
        ("skip", 1801.0, [1800.0]),
        ("skip", 1870.0, []),
        ("once", 1870.0, [1800.0]),
        ("skip", 1200.0, [1200.0]),
    ],
)
def test_missed_ticks_are_all_caught_up_or_once_or_skipped(missed, now, fired):
    assert due_ticks("*/5 * * * *", "UTC", 1200.0, now, missed) == (fired, 1500.0 if now == 1200.0 else 2100.0)


def test_catching_up_has_a_bound_and_then_goes_on_from_now():
    ticks, upcoming = due_ticks("* * * * *", "UTC", 60.0, 60.0 * 5_000, "all")
    assert len(ticks) == CATCH_UP
    assert upcoming == 60.0 * 5_001


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "@hourly please", "0 0 30 2 *"])
def test_an_expression_that_cannot_fire_is_refused(cron):
    with pytest.raises(ConfigError, match="is not usable"):
        check(cron)


@pytest.mark.parametrize("tz", ["", "Vienna", "Europe/Atlantis", "../etc/passwd"])
def test_a_zone_that_is_not_known_is_refused(tz):
    with pytest.raises(ConfigError, match=r"time zone .* is not known here: use an IANA name such as Europe/Vienna"):
        check_zone(tz)
