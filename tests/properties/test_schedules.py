"""Generated clocks for cron: whatever schedulers race, and however time passes, each tick of each schedule fires once.

Schedulers look at random times, across both changes of summer time, on memory and on SQLite; afterwards the messages
that are there are compared with the ticks that a plain walk over the calendar finds.
"""

import contextlib
import tempfile
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.config import Settings
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.flow.cron import MISSED, due_ticks, following
from forebay.model.message import Message
from forebay.store.records import Query, Schedule
from forebay.testing import ManualClock
from forebay.work.timekeeper import tick_message
from properties.bounds import generated

#: In each of them the clocks change during the days that are walked through; in the first two at different hours.
ZONES = ("Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC")
#: Days around which time is generated: the changes of spring and autumn, and the end of a leap February.
STARTS = (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC), datetime(2028, 2, 28, tzinfo=UTC))

crons = st.sampled_from(["*/15 * * * *", "0 * * * *", "30 2 * * *", "0 3 * * *", "15 1,2,3 * * 0", "0 0 29 2 *"])
zones, starts = st.sampled_from(ZONES), st.sampled_from(STARTS).map(datetime.timestamp)
#: Seconds between two looks of somebody: moments, the usual, a night without any scheduler.
pauses = st.sampled_from([0.0, 1.0, 61.0, 1800.0, 3600.0, 5400.0, 9 * 3600.0])
#: Each look of the fleet: how long after the last, and whether all go by what they read before it.
looks = st.lists(st.tuples(pauses, st.booleans()), min_size=1, max_size=20)


def ticks_between(cron, tz, start, end):
    """Every tick after `start` up to `end`, one by one."""
    ticks = []
    while (start := following(cron, tz, start)) <= end:
        ticks.append(start)
    return ticks


@contextlib.contextmanager
def fleet(engine, clock, size=3):
    """Schedulers that share one backend in memory, or one file, each with an instance of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        urls = ["memory://"] if engine == "memory" else [f"sqlite:///{folder}/queue.db"] * size
        backends = [build(Settings(url=url, durability="normal"), clock) for url in urls]
        for backend in backends:
            drive(backend.open())
        yield backends if len(backends) == size else backends * size
        for backend in backends:
            drive(backend.close())


def look(backend, clock, *, stale=None):
    """What a scheduler does in one round; `stale` is what it had read before somebody else was quicker."""
    fired = []
    for schedule in stale or drive(backend.schedules()):
        if schedule.next <= clock.now():
            ticks, upcoming = due_ticks(schedule.cron, schedule.tz, schedule.next, clock.now(), schedule.missed)
            messages = [tick_message(schedule, tick) for tick in ticks]
            if drive(backend.fire(schedule.name, schedule.next, upcoming, messages)):
                fired += ticks
    return fired


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@generated
@given(place=st.tuples(crons, zones, starts), looks=looks)
def test_every_tick_fires_once_however_many_schedulers_race(engine, place, looks):
    cron, tz, start = place
    clock, fired = ManualClock(wall=start), []
    form, first = Message(id="", queue="q", task="t"), following(cron, tz, start)
    schedule = Schedule(name="s", cron=cron, tz=tz, message=form, missed="all", next=first)
    with fleet(engine, clock) as schedulers:
        for backend in schedulers:
            drive(backend.put_schedules([schedule]))  # every worker does so when it starts
        for pause, late in looks:
            read = [drive(backend.schedules()) for backend in schedulers]
            clock.advance(pause)
            for backend, stale in zip(schedulers, read, strict=True):
                fired += look(backend, clock, stale=stale if late else None)
        waiting = drive(schedulers[0].messages(Query(limit=100_000)))
    assert fired == ticks_between(cron, tz, start, clock.now())
    assert len(waiting) == len(fired)


@generated
@given(cron=crons, tz=zones, start=starts, late=st.floats(0, 40 * 3600), missed=st.sampled_from(MISSED))
def test_what_becomes_of_missed_ticks_is_as_the_schedule_says(cron, tz, start, late, missed):
    tick = following(cron, tz, start)
    now = tick + late
    fired, upcoming = due_ticks(cron, tz, tick, now, missed)
    every = [tick, *ticks_between(cron, tz, tick, now)]
    last_is_fresh = now - every[-1] < 60
    expected = {"all": every, "once": every[-1:], "skip": every[-1:] if last_is_fresh else []}[missed]
    assert fired == expected
    assert upcoming == following(cron, tz, now) > now


@generated
@given(cron=crons, tz=zones, start=starts, ahead=st.floats(0, 90 * 86400))
def test_a_tick_is_later_than_the_time_asked_for_and_reads_as_the_expression_says(cron, tz, start, ahead):
    tick = following(cron, tz, start + ahead)
    assert tick > start + ahead
    local = datetime.fromtimestamp(tick, ZoneInfo(tz))
    minute = cron.split()[0]
    in_a_gap = datetime.fromtimestamp(tick - 1, ZoneInfo(tz)).utcoffset() != local.utcoffset()
    if minute.isdigit() and not in_a_gap:
        assert local.minute == int(minute)
    assert local.second == 0
    assert following(cron, tz, tick - 0.001) == tick


@generated
@given(tz=zones, days=st.integers(0, 365))
def test_a_daily_schedule_fires_once_each_day_whatever_the_clocks_do(tz, days):
    day = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo(tz)) + timedelta(days=days)
    end = day + timedelta(days=1)  # noon to noon by the wall, 23 to 25 hours apart
    assert len(ticks_between("30 2 * * *", tz, day.timestamp(), end.timestamp())) == 1
