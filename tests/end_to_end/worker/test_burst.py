"""`worker --burst` leaves once nothing is ready or running, with all its processes, and leaves what it cannot run."""

import pytest

from forebay.engine.contract import Depth
from forebay.work.burst import spent


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_burst_of_an_empty_queue_ends_by_itself(place, processes):
    with place.fleet("--burst", "-p", processes) as fleet:
        assert fleet.wait() == 0
    assert "burst: nothing is ready or running" in fleet.said


def test_a_burst_runs_all_that_is_ready_before_it_ends(place):
    handles = [*place.crew.nap.enqueue_many([(0.1,)] * 30), *place.crew.echo.enqueue_many([("a",)] * 3)]
    with place.fleet("--burst", "-p", "2", "-c", "4", "--cpu", "2") as fleet:
        assert fleet.wait() == 0
    assert {handle.status() for handle in handles} == {"done"}


@pytest.mark.parametrize(
    ("depth", "over"),
    [
        (Depth(queue="q"), True),
        (Depth(queue="q", ready=1), False),
        (Depth(queue="q", running=1), False),
        (Depth(queue="q", ready=1, paused=True), True),
        (Depth(queue="q", running=1, paused=True), False),
        (Depth(queue="q", scheduled=1, parked=1, dead=1), True),
    ],
)
def test_a_burst_is_over_when_nothing_could_begin_and_nothing_runs(depth, over):
    assert spent([Depth(queue="other"), depth]) is over
