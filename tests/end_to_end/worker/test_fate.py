"""What becomes of messages, seen from outside: attempts, snoozes, dead letters, results, progress, duplicates."""

from itertools import pairwise

import pytest

from fleet import until
from forebay import TaskFailed
from forebay.model.errors import NoSuchMessage


def attempts(place, handle):
    return [note.attempt for note in place.read(handle, "start")]


def test_a_failing_task_is_tried_again_after_pauses_that_differ(shared):
    place, _ = shared
    handles = [place.crew.fail.enqueue() for _ in range(6)]
    for handle in handles:
        until(lambda handle=handle: handle.status() == "dead", "its end")
        assert attempts(place, handle) == [1, 2, 3, 4]
    pauses = []
    for handle in handles:
        times = [note.time for note in place.read(handle, "start")]
        pauses += [later - earlier for earlier, later in pairwise(times)]
    assert max(pauses) - min(pauses) > 0.02


def test_a_dead_letter_keeps_cause_attempts_and_traceback(shared):
    place, _ = shared
    handle = place.crew.fail.enqueue()
    with pytest.raises(TaskFailed, match="it is broken") as caught:
        handle.result(30)
    assert caught.value.state == "dead"
    found = place.found(handle)
    assert (found.state, found.attempt) == ("dead", 4)
    assert found.cause == "failed 4 of 4 attempts: ValueError: it is broken"
    assert 'raise ValueError("it is broken")' in found.failure.traceback
    assert "crew.py" in found.failure.traceback


def test_exceptions_have_rules_of_their_own(shared):
    place, _ = shared
    never, thrice = place.crew.fail_by_rule.enqueue("key"), place.crew.fail_by_rule.enqueue("os")
    for handle in (never, thrice):
        until(lambda handle=handle: handle.status() == "dead", "its end")
    assert attempts(place, never) == [1]
    assert attempts(place, thrice) == [1, 2, 3]  # a ConnectionError is an OSError


def test_retry_after_is_obeyed(shared):
    place, _ = shared
    handle = place.crew.ask_for_another_try.enqueue(0.5)
    assert handle.result(30) == "second try"
    first, second = place.read(handle, "start")
    assert second.time - first.time >= 0.49


def test_no_try_begins_after_max_age(shared):
    place, _ = shared
    handle = place.crew.fail_until_too_old.enqueue()
    until(lambda: handle.status() == "dead", "its end")
    assert place.found(handle).cause.startswith("still failing after max_age of 3 s")
    times = [note.time for note in place.read(handle, "start")]
    assert len(times) > 1
    assert times[-1] - times[0] < 6  # a busy worker starts late what was due in time


def test_a_task_may_give_up_at_once(shared):
    place, _ = shared
    handle = place.crew.give_up.enqueue()
    until(lambda: handle.status() == "dead", "its end")
    assert (place.found(handle).cause, place.found(handle).attempt) == ("this will never work", 1)


def test_snoozing_costs_no_attempt(shared):
    place, _ = shared
    handle = place.crew.snooze_twice.enqueue()
    assert handle.result(30) == 1
    assert attempts(place, handle) == [1, 1, 1]


def test_a_result_is_kept_for_its_time_and_then_forgotten(shared):
    place, _ = shared
    kept, forgotten = place.crew.add.enqueue(40, 2), place.crew.forget_soon.enqueue()
    assert forgotten.result(30) == "soon forgotten"

    def gone():
        try:
            forgotten.status()
        except NoSuchMessage:
            return True
        return False

    until(gone, "the end of its result_ttl")
    assert kept.result(30) == 42


@pytest.mark.parametrize(
    ("task", "value"), [("tell_progress", {"done": 1, "of": 2}), ("tell_progress_from_a_process", 50)]
)
def test_progress_can_be_read_while_the_task_runs(shared, task, value):
    place, _ = shared
    handle = getattr(place.crew, task).enqueue()
    assert until(handle.progress, "its progress") == value
    assert handle.status() == "running"
    handle.cancel()


def test_an_unknown_task_waits_is_told_once_and_the_worker_lives(shared):
    place, fleet = shared
    before = fleet.pids()
    strangers = place.crew.app.producer.messages("no_such_task", [b"\x80"] * 20, place.crew.add.waiting)
    for receipt in place.ask("publish", strangers):
        found = until(lambda id_=receipt.id: waits(place, id_), "its return")
        assert (found.attempt, found.cause) == (0, "no worker here knows task 'no_such_task'")
        place.crew.app.handle(receipt.id).cancel()
    assert 1 <= fleet.said.count("no worker here knows task 'no_such_task'") <= 2, "once for each process"
    assert place.crew.add.enqueue(1, 1).result(30) == 2
    assert fleet.pids() == before


def waits(place, id_):
    found = place.ask("find", [id_])[0]
    return found if found.state == "scheduled" else None


def test_a_message_past_its_time_is_not_started(shared):
    place, _ = shared
    late = place.crew.nap.using(expires=0).enqueue(0.1)
    until(lambda: late.status() == "expired", "its expiry")
    assert place.read(late) == []


def test_unique_messages_run_once_until_they_have_ended(shared):
    place, _ = shared
    mark = place.folder / "reported"
    first = place.crew.nap_until.using(unique="report").enqueue(str(mark))
    second = place.crew.nap_until.using(unique="report").enqueue(str(mark))
    assert second.duplicate
    assert second.id == first.id
    mark.touch()
    first.result(30)
    third = place.crew.nap.using(unique="report").enqueue(0.01)
    assert not third.duplicate
    third.result(30)


def test_a_consumer_gets_whole_batches_and_a_bad_one_is_tried_again_as_a_whole(shared):
    place, _ = shared
    good = place.crew.app.publish_many("clicks", [0] * 25)
    until(lambda: all(handle.status() == "done" for handle in good), "their end")
    assert max(len(note.values) for note in place.read(event="batch")) == 10
    bad = [place.crew.app.publish("clicks", value) for value in ("bad", "bad")]
    until(lambda: all(handle.status() == "dead" for handle in bad), "their end")
    assert place.found(bad[0]).attempt == 3
    assert place.found(bad[0]).cause == "failed 3 of 3 attempts: ValueError: a bad click"


def test_higher_priorities_start_first(place):
    ranks = [("low", -1), ("usual", 0), ("high", 9), ("higher", 10)]
    for name, priority in ranks:
        place.crew.ranked.using(priority=priority).enqueue(name)
    with place.fleet("-c", "1", "-Q", "ranked"):
        started = [note.name for note in place.noted(count=4)]
    assert started == ["higher", "high", "usual", "low"]


def test_an_exception_that_cannot_be_looked_at_is_a_failure_of_its_task(shared):
    place, _ = shared
    crew = place.crew
    for task in (crew.fail_untraceably, crew.fail_untraceably_on_the_loop, crew.fail_untraceably_apart):
        handle = task.enqueue()
        until(lambda handle=handle: handle.status() == "dead", "its end")
        found = place.found(handle)
        assert (found.attempt, found.lost) == (1, 0)
        assert "look elsewhere" in found.cause
