"""Cancelling: what waits ends at once, what runs is stopped, and neither runs again."""

import pytest

from fleet import until


@pytest.mark.parametrize(("task", "inside"), [("nap", "CancelledError"), ("doze", "Interrupted"), ("grind", None)])
def test_a_running_task_is_stopped(shared, task, inside):
    place, fleet = shared
    before = fleet.pids()
    handle = getattr(place.crew, task).enqueue(1000)
    neighbour = getattr(place.crew, task).enqueue(1.0)
    place.noted(handle)
    handle.cancel()
    until(lambda: handle.status() == "cancelled", "its end")
    assert [note.error for note in place.read(handle, "raised")] == ([inside] if inside else [])
    neighbour.result(30)
    assert len(place.read(neighbour, "start")) == 1
    assert fleet.pids() == before
    ticks = len(place.read(handle, "tick"))
    place.crew.nap.enqueue(0.2).result(30)
    assert len(place.read(handle, "tick")) == ticks


def test_waiting_and_scheduled_messages_never_start(place):
    waiting, scheduled = place.crew.nap.enqueue(0.1), place.crew.nap.using(delay=0.5).enqueue(0.1)
    assert [waiting.cancel(), scheduled.cancel()] == ["cancelled", "cancelled"]
    with place.fleet():
        place.crew.nap.using(delay=1.0).enqueue(0.01).result(30)
    assert place.read(waiting) == place.read(scheduled) == []


def test_what_is_cancelled_while_it_fails_is_not_tried_again(shared):
    place, _ = shared
    handle = place.crew.ask_for_another_try.enqueue(2.0)
    until(lambda: handle.status() == "scheduled", "its retry")
    assert handle.cancel() == "cancelled"
    assert len(place.read(handle, "start")) == 1


def test_a_full_worker_hears_of_a_cancel_too(place):
    with place.fleet("-c", "1"):
        handle = place.crew.nap.enqueue(1000)
        place.noted(handle)
        handle.cancel()
        until(lambda: handle.status() == "cancelled", "its end")
        assert place.crew.add.enqueue(1, 2).result(30) == 3, "its slot is free again"
    assert len(place.read(handle, "start")) == 1


def test_a_cancelled_message_whose_worker_is_gone_does_not_run_again(place):
    with place.fleet() as fleet:
        handle = place.crew.sleep_in_c.enqueue(1000)
        place.noted(handle)
        handle.cancel()
        fleet.end()
    assert handle.status() == "cancelled"
