"""`on_failure` and the log hear of every attempt that fails, whoever gets to know of its end first."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet, Place, until
from forebay import Forebay

APP = Path(__file__).with_name("failing.py")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, APP, unknown_for=1)
    yield place
    place.close()


@pytest.fixture
def fleet(place: Place) -> Iterator[Fleet]:
    with place.fleet("-p", "1", "--cpu", "1") as fleet:
        yield fleet


def heard(place: Place, handle: Any, count: int = 1) -> list[tuple[int, str, str]]:
    """What the hook was told of one message: attempt, error, move."""
    return [(note.attempt, note.error, note.move) for note in place.noted(handle, "heard", count)]


def ended(place: Place, handle: Any, state: str = "dead") -> Any:
    until(lambda: handle.status() == state, f"{state} of {handle}")
    return place.found(handle)


def lines(fleet: Fleet, handle: Any) -> list[str]:
    """What the log of outcomes says about a message."""
    return [line for line in fleet.said.splitlines() if "forebay.worker:" in line and handle.id in line]


DEAD = {
    "raises": "ValueError", "raises_apart": "ValueError", "bad_result": "BadResult", "bad_result_apart": "BadResult",
    "too_slow": "TimeLimit", "too_slow_in_a_group": "TimeLimit", "too_slow_apart": "TimeLimit",
    "too_slow_apart_async": "TimeLimit", "hangs_apart": "TimeLimit", "hangs": "TimeLimit",
    "hangs_the_loop": "TimeLimit",
}  # fmt: skip


@pytest.mark.parametrize(("task", "error"), DEAD.items())
def test_a_failure_is_heard_once_with_what_was_wrong(place, fleet, task, error):
    handle = getattr(place.crew, task).enqueue()
    found = ended(place, handle)
    assert heard(place, handle) == [(1, error, "dead-letter")]
    assert len(until(lambda: lines(fleet, handle), "its line")) == 1
    if error == "TimeLimit":
        (note,) = place.read(handle, "heard")
        assert note.text in found.cause


@pytest.mark.parametrize("task", ["exits", "exits_apart"])
def test_the_loss_of_a_worker_is_heard_each_time_and_the_last_one_as_a_dead_letter(place, fleet, task):
    handle = getattr(place.crew, task).enqueue()
    ended(place, handle)
    expected = [(1, "WorkerLost", "lose"), (2, "WorkerLost", "lose"), (3, "WorkerLost", "dead-letter")]
    # a worker that ends with the next attempt may have called the hook and not said so, or not have come to it: then
    # another one calls it, later
    until(lambda: set(heard(place, handle)) == set(expected), "all three, and nothing else")
    until(lambda: len(lines(fleet, handle)) >= 3, "a line each")
    assert sorted(" E " in line for line in lines(fleet, handle)) == [False, False, True]


@pytest.mark.parametrize("task", ["once", "once_apart"])
def test_a_task_that_runs_at_most_once_is_heard_as_done(place, fleet, task):
    handle = getattr(place.crew, task).enqueue()
    assert heard(place, handle) == [(1, "ValueError", "ack")]
    assert ended(place, handle, "done").cause == ""


def test_who_asks_to_be_tried_again_says_why_in_its_dead_letter(place, fleet):
    handle = place.crew.asks_for_more.enqueue()
    assert "ConnectionError: busy" in ended(place, handle).cause
    assert heard(place, handle, 2) == [(1, "Retry", "retry"), (2, "Retry", "dead-letter")]


def test_every_raw_message_of_a_batch_that_fails_is_heard(place, fleet):
    handles = [place.crew.app.publish("raw", number) for number in range(7)]
    for handle in handles:
        ended(place, handle)
        assert heard(place, handle) == [(1, "ValueError", "dead-letter")]


def test_what_cannot_be_run_at_all_is_heard(place, fleet):
    other = Forebay(place.url)

    @other.task
    def wants_a_number(number: str) -> int: ...

    @other.task
    def nobody_knows_it() -> None: ...

    with other:
        misfit, stranger = wants_a_number.enqueue("x"), nobody_knows_it.enqueue()
        ended(place, misfit)
        ended(place, stranger)
    assert heard(place, misfit) == [(1, "BadArguments", "dead-letter")]
    assert [(error, move) for _, error, move in heard(place, stranger)] == [("UnknownTask", "dead-letter")]


def test_the_failure_of_a_schedule_is_heard(place, fleet):
    subprocess.run(
        [sys.executable, "-m", "forebay", "schedules", "run", "daily", "-A", place.locator],
        cwd=place.folder, env=place.environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (note,) = place.noted(event="heard")
    assert (note.error, note.move) == ("ValueError", "dead-letter")


def test_what_another_fleet_lost_is_heard_by_the_one_that_finds_it(place):
    with place.fleet("-p", "1") as first:
        handle = place.crew.waits_the_first_time.enqueue()
        place.noted(handle)
        first.kill()
    with place.fleet("-p", "1") as second:
        ended(place, handle, "done")
        assert heard(place, handle) == [(1, "WorkerLost", "lose")]
        assert len(until(lambda: lines(second, handle), "its line")) == 1


def test_a_task_that_puts_its_message_off_again_and_again_is_seen(place, fleet):
    handle = place.crew.puts_off.enqueue()
    until(lambda: len(lines(fleet, handle)) >= 2, "ten snoozes")
    # While it runs, it has no cause: only between two runs is there one to read.
    until(lambda: re.search(r"begun \d+ times so far", place.found(handle).cause), "the cause of its wait")
    told = [line.partition("attempt 1: ")[2].partition(" (")[0] for line in lines(fleet, handle)]
    why = "snooze for 0.05 s, because of ConnectionError: busy, begun"
    assert told[:2] == [f"{why} once so far", f"{why} 10 times so far"]
    handle.cancel()
