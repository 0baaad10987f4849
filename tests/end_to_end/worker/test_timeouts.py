"""`timeout=`: first softly, as an exception inside the task; then hard, for what cannot be stopped."""

import pytest

from fleet import until


def dead(place, handle):
    until(lambda: handle.status() == "dead", "its end")
    return place.found(handle)


@pytest.mark.parametrize(
    ("task", "inside"),
    [("limited_async", "CancelledError"), ("limited_thread", "TimeLimit"), ("limited_process", "TimeLimit")],
)
def test_time_is_up_as_an_exception_inside_the_task(shared, task, inside):
    place, fleet = shared
    before = fleet.pids()
    handle = getattr(place.crew, task).enqueue(1000)
    found = dead(place, handle)
    assert [note.error for note in place.read(handle, "raised")] == [inside]
    assert found.failure.type == "forebay.TimeLimit"
    assert "ran longer than its timeout of 3 s" in found.cause
    assert fleet.pids() == before


def test_a_task_may_tidy_up_and_return_when_its_time_is_up(shared):
    place, _ = shared
    assert place.crew.tidies_up.enqueue().result(30) == "tidied up"


def test_a_task_in_time_is_left_alone(shared):
    place, _ = shared
    for task in (place.crew.limited_async, place.crew.limited_thread, place.crew.limited_process):
        handle = task.enqueue(0.1)
        handle.result(30)
        assert place.read(handle, "raised") == []


@pytest.mark.parametrize("task", ["never_yields", "never_returns"])
def test_what_cannot_be_stopped_loses_its_process_and_its_neighbours_go_back_uncounted(place, task):
    with place.fleet("-p", "1") as fleet:
        (worker,) = fleet.pids()
        mark = place.folder / "go"
        neighbours = [task.enqueue(str(mark)) for task in (place.crew.doze_until, place.crew.nap_until)]
        for neighbour in neighbours:
            place.noted(neighbour)
        handle = getattr(place.crew, task).enqueue()
        found = dead(place, handle)
        assert (found.attempt, found.lost) == (1, 0)
        assert "TimeLimit" in found.cause
        mark.touch()
        assert {neighbour.result(30) for neighbour in neighbours} == fleet.pids()
        assert worker not in fleet.pids()
    for neighbour in neighbours:
        assert [note.attempt for note in place.read(neighbour, "start")] == [1, 1]
    assert place.overlaps() == []


def test_c_code_that_holds_the_interpreter_past_its_timeout_is_killed_from_outside(place):
    with place.fleet("-p", "1") as fleet:
        (worker,) = fleet.pids()
        neighbour = place.crew.doze.enqueue(1000)
        place.noted(neighbour)
        handle = place.crew.never_lets_go.enqueue()
        place.noted(handle)
        until(lambda: place.found(handle).lost, "the first loss")
        place.noted(neighbour, count=2)
        assert {note.attempt for note in place.read(neighbour)} == {1}
        assert worker not in fleet.pids()
        fleet.kill()
    assert place.overlaps() == []


def test_a_process_that_does_not_mind_its_timeout_is_killed_alone(shared):
    place, fleet = shared
    before = fleet.pids()
    neighbour = place.crew.grind.enqueue(2.0)
    place.noted(neighbour)
    handle = place.crew.never_returns_in_a_process.enqueue()
    assert "ran longer than its timeout" in dead(place, handle).cause
    neighbour.result(30)
    assert fleet.pids() == before
    assert len(place.read(neighbour, "start")) == 1
