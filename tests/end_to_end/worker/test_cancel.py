"""Cancelling: what waits ends at once, what runs is stopped, and neither runs again."""

import signal

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
    handle = place.crew.ask_for_another_try.enqueue(600)
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


def test_a_task_that_is_cancelled_cleans_up_undisturbed_however_often_its_worker_hears_of_it(shared):
    place, _ = shared
    handle = place.crew.clean_up_for.enqueue(1.5)
    place.noted(handle)
    handle.cancel()
    place.crew.nap.enqueue_many([(0.01,)] * 200)  # each lease tells of it again
    until(lambda: handle.status() == "cancelled", "its end")
    assert len(place.read(handle, "cleaned")) == 1


def test_a_worker_that_drains_hears_of_a_cancel(place):
    with place.fleet("--drain", "60s") as fleet:
        handle = place.crew.nap.enqueue(1000)
        place.noted(handle)
        fleet.signal(signal.SIGTERM)
        until(lambda: [row for row in place.ask("workers") if row.state == "draining"], "its drain")
        handle.cancel()
        until(lambda: handle.status() == "cancelled", "its end")
        assert fleet.wait() == 0


def test_a_worker_that_is_being_replaced_hears_of_a_cancel(place):
    with place.fleet("--max-tasks", "1"):
        handle = place.crew.nap.enqueue(1000)
        place.noted(handle)
        place.crew.add.enqueue(1, 1).result(30)
        until(lambda: [row for row in place.ask("workers") if row.state == "draining"], "its drain")
        handle.cancel()
        until(lambda: handle.status() == "cancelled", "its end")


@pytest.mark.parametrize(("queue", "value", "inside"), [("clicks", 1000, None), ("parcels", 1, "Interrupted")])
def test_a_batch_is_stopped_when_all_of_it_is_cancelled(place, queue, value, inside):
    with place.fleet() as fleet:
        handles = place.crew.app.publish_many(queue, [value, value])
        until(lambda: place.read(event="batch"), "the batch")
        handles[0].cancel()
        until(lambda: "stopped only when all of it is cancelled" in fleet.said, "a word")
        handles[1].cancel()
        for handle in handles:
            until(lambda one=handle: one.status() == "cancelled", "its end")
        assert [note.error for note in place.read(event="stopped")] == ([inside] if inside else [])
        later = place.crew.app.publish(queue, value)
        until(lambda: len(place.read(event="batch")) == 2, "the next batch: its consumer is free again")
        later.cancel()
        until(lambda: later.status() == "cancelled", "its end")
