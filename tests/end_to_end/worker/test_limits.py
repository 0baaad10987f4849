"""While two versions of a program are there: what the worker that was started last says holds."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet import until
from forebay import QueueSpec
from forebay.engine.waiting import drive
from forebay.provider.steer import listed
from forebay.work.pressure import rows_of


@pytest.fixture
def crew() -> Path:
    return Path(__file__).with_name("bounded.py")


def slots(place):
    return [meter.slots for meter in place.ask("meters", ["queue:bounded"])]


def test_neither_a_replaced_process_nor_a_command_of_an_older_version_brings_its_limits_back(make_place, monkeypatch):
    monkeypatch.setenv("FOREBAY_TEST_SLOTS", "1")
    place = make_place(test_slots=1)
    with place.fleet("-p", "1") as fleet:
        place.ask("declare", [QueueSpec(name="bounded", concurrency=6)])  # as a worker of the next version at its start
        (old,) = fleet.pids()
        os.kill(old, signal.SIGKILL)
        until(lambda: fleet.pids() - {old}, "its successor")
        assert place.crew.process.enqueue().result(30) != old
        for command in (["queues"], ["pause", "bounded"]):
            subprocess.run(
                [sys.executable, "-m", "forebay", *command, "-A", place.locator],
                cwd=place.folder, env=place.environment, check=True, capture_output=True, timeout=60,
            )  # fmt: skip
        assert slots(place) == [6]
        assert "what is declared here has no effect (concurrency 6 → 1)" in fleet.said
    with place.fleet("-p", "1") as fleet:
        assert slots(place) == [1]
        assert "queue bounded: concurrency 6 → 1" in fleet.said
    newest = place.ask("audits")[0]
    assert (newest.verb, newest.target, newest.detail) == ("declare", "bounded", "concurrency 6 → 1")


def said(place):
    """What stands of a queue, its mark, a provider and a schedule."""
    (schedule,), (provider,) = place.ask("schedules"), drive(listed(place.crew.app.store))
    mark = rows_of(place.ask("steered"))["marked"].after.mark
    return slots(place), mark.messages, provider.terms.concurrency, schedule.cron


def test_a_replaced_process_of_an_older_version_brings_nothing_of_it_back(make_place, monkeypatch):
    """In a rolling deploy, or where processes are replaced for their age, it would be another one each time."""
    monkeypatch.setenv("FOREBAY_TEST_SLOTS", "1")
    place = make_place(test_slots=1)
    with place.fleet("-p", "1") as older:
        assert said(place) == ([1], 1, 1, "0 1 * * *")
        (old,) = older.pids()
        place.own["FOREBAY_TEST_SLOTS"] = "6"
        with place.fleet("-p", "1"):
            assert said(place) == ([6], 6, 6, "0 6 * * *")
            os.kill(old, signal.SIGKILL)
            until(lambda: older.pids() - {old}, "its successor")
            assert said(place) == ([6], 6, 6, "0 6 * * *")


def test_a_replaced_process_says_again_what_is_gone(make_place, monkeypatch):
    monkeypatch.setenv("FOREBAY_TEST_SLOTS", "1")
    place = make_place(test_slots=1)
    with place.fleet("-p", "1") as fleet:
        (old,) = fleet.pids()
        place.ask("drop_schedules", ["nightly"])
        os.kill(old, signal.SIGKILL)
        until(lambda: fleet.pids() - {old}, "its successor")
        assert said(place) == ([1], 1, 1, "0 1 * * *")
