"""What running tasks publish where is gathered, in whatever thread or app, and costs no look where nothing is new."""

import asyncio
import time

from forebay import Forebay
from forebay.config import WorkerOptions
from forebay.model.topology import Edge
from forebay.work.dev import working
from forebay.work.feeding import Feeding


def edge(target="d", made="last"):
    return Edge("c", "third", False, target, made)


def test_it_wakes_for_what_is_new_and_when_the_room_is_used_up():
    feeding, woken = Feeding(), []
    feeding.wake = lambda: woken.append(1)
    feeding.merge([edge(), edge()])
    assert (woken, feeding.take(), feeding.take()) == ([1], [edge()], [])
    feeding.merge([edge()])
    assert (woken, feeding.take()) == ([1], [edge()])


def test_what_goes_to_another_app_is_no_edge_of_this_one():
    app, other = Forebay("memory://"), Forebay("memory://")

    @other.task(queue="x")
    def elsewhere() -> None: ...

    @app.task(queue="c")
    def third() -> None:  # in a thread
        app.publish("d", 1)
        elsewhere.enqueue()

    @app.consume("raw", batch=1)
    async def load(messages):
        await app.apublish("d", 2)

    async def story():
        async with app, other, working(app, WorkerOptions(queues=("c", "raw"))) as worker:
            await third.aenqueue()
            await app.apublish("raw", 0)
            ends = time.monotonic() + 60
            while (await app.aqueues("d"))[0].ready < 2 or (await other.aqueues("x"))[0].ready < 1:
                assert time.monotonic() < ends
                await asyncio.sleep(0.01)
            assert sorted(worker.feeding._known.values()) == [
                Edge("c", "third", False, "d", ""),
                Edge("raw", "load", True, "d", ""),
            ]

    asyncio.run(story())
