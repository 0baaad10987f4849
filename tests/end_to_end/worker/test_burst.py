"""`worker --burst` leaves once nothing is ready or running, with all its processes, and leaves what it cannot run."""

import asyncio

import pytest

from forebay import Forebay
from forebay.engine.contract import Beat, Depth, Want
from forebay.model.message import Message
from forebay.model.outcome import Ack, Release, Settlement
from forebay.work.burst import spent, until_spent
from forebay.work.run import AGAIN


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


def test_what_a_worker_has_put_off_for_want_of_a_process_runs_before_the_burst_ends():
    """As those that cost workers their life do, which wait for a process of their own, each put off for a second."""

    async def burst() -> int:
        async with Forebay("memory://") as app:
            engine, want = app.engine, Want("w", ["q"], 1)
            await engine.extend([Beat(worker="w", lease=1000.0)])
            await engine.publish([Message(id="1" * 32, queue="q")])
            (delivery,) = (await engine.lease(want)).deliveries
            await engine.settle("w", [Settlement(delivery, Release(AGAIN, "no process of this worker was free"))])
            end = asyncio.create_task(until_spent(engine, ["q"]))
            while not end.done() and not (ready := (await engine.lease(want)).deliveries):
                await engine.wait(["q"], 0.05, 0)
            await engine.settle("w", [Settlement(delivery, Ack()) for delivery in ready])
            await end
            return (await engine.depth(["q"]))[0].done

    assert asyncio.run(burst()) == 1
