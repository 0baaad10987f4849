"""Cron with several schedulers: each tick fires once, and what nobody fired in time is treated as asked.

A tick is what the schedule's row says, so tests set the row's next tick instead of waiting for the full hour.
"""

import time

import apsw
import pytest

from fleet import until

HOUR = 3600.0


@pytest.fixture
def due(place):
    """Registers the schedules and makes them all due at a time."""
    with place.fleet():
        until(lambda: len(place.ask("schedules")) == 3, "the schedules")

    def set_next(when: float) -> None:
        db = apsw.Connection(str(place.folder / "queue.db"))
        db.set_busy_timeout(10_000)
        db.execute("update schedule set next = ?", (when,))
        db.close()

    return set_next


def test_three_schedulers_fire_a_tick_once(place, due):
    with place.fleet(), place.fleet(), place.fleet():
        due(time.time() + 0.5)
        for name in ("hourly_once", "hourly_all", "hourly_skip"):
            place.noted(task=name)
        until(lambda: all(schedule.next > time.time() for schedule in place.ask("schedules")), "the next ticks")
        place.crew.nap.using(delay=2.5).enqueue(0.01).result(30)  # each scheduler has looked again
    assert len(place.read(event="start", attempt=1)) == 4
    assert {note.task for note in place.read(event="start")} == {"hourly_once", "hourly_all", "hourly_skip", "nap"}


def test_ticks_missed_in_a_downtime_fire_by_policy(place, due):
    due((time.time() // HOUR - 5) * HOUR)
    with place.fleet(), place.fleet():
        place.noted(task="hourly_all", count=6)
        place.noted(task="hourly_once")
        until(lambda: all(schedule.next > time.time() for schedule in place.ask("schedules")), "the next ticks")
        place.crew.nap.using(delay=0.5).enqueue(0.01).result(30)
    counts = {name: len(place.read(event="start", task=name)) for name in ("hourly_once", "hourly_all", "hourly_skip")}
    recent = time.time() % HOUR < 90  # the last tick may be so fresh that it is not missed at all
    assert counts == {"hourly_once": 1, "hourly_all": 6, "hourly_skip": 0} or recent


def test_a_worker_without_schedules_fires_none(place, due):
    with place.fleet("--no-schedules"):
        due(time.time() - 1)
        place.crew.nap.using(delay=2.5).enqueue(0.01).result(30)
    assert {note.task for note in place.read(event="start")} == {"nap"}
