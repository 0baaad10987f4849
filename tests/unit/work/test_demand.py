"""Demand is a level: a worker that is full says so, once, and one that leaves says that it wants nothing more."""

import asyncio

import pytest

from forebay import EngineFull, Forebay
from forebay.config import WorkerOptions
from forebay.engine.contract import Fate, Receipt
from forebay.testing import ManualClock
from forebay.work.dev import working
from forebay.work.feed import STALE


def watched(app):
    """What is asked for by whoever leases from a queue, in order; runs of the same are one."""
    asked, lease = [], app.engine.lease

    async def look(want):
        leased = await lease(want)
        level = "some" if want.limit else "none"
        if want.queues and asked[-1:] != [level]:
            asked.append(level)
            app.changed.set()
        elif want.queues and level == "none":
            asked.append("again")
        return leased

    app.engine.lease, app.changed = look, asyncio.Event()
    return asked


async def until(app, asked, *levels):
    async with asyncio.timeout(60):
        while asked != list(levels):
            await app.changed.wait()
            app.changed.clear()


def test_a_full_worker_says_once_that_it_wants_nothing_and_wants_again_when_there_is_room(tmp_path):
    app, go = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), asyncio.Event()

    @app.task
    async def long():
        await go.wait()

    async def story():
        asked = watched(app)
        async with app, working(app, WorkerOptions(concurrency=1)):
            handle = await long.aenqueue()
            await until(app, asked, "some", "none")
            await asyncio.sleep(1.5 * STALE)  # it is not said again
            assert asked == ["some", "none"]
            go.set()
            await handle.aresult(timeout=60)
            await until(app, asked, "some", "none", "some")
        assert asked[:4] == ["some", "none", "some", "none"]

    asyncio.run(story())


def test_a_consumer_with_a_long_batch_says_so_too(tmp_path):
    app, go = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), asyncio.Event()

    @app.consume("clicks", batch=1)
    async def load(messages):
        await go.wait()

    async def story():
        asked = watched(app)
        async with app, working(app, WorkerOptions(queues=("clicks",))):
            await app.apublish("clicks", 1)
            await until(app, asked, "some", "none")
            go.set()
            await until(app, asked, "some", "none", "some")

    asyncio.run(story())


def test_who_is_refused_for_want_of_room_learns_which_and_when_to_try_again():
    app = Forebay("memory://", clock=ManualClock())

    async def full(messages):
        first, *others = messages
        return [Receipt(first.id), *(Receipt(one.id, Fate.FULL, 2.0 + n) for n, one in enumerate(others))]

    with app:
        app.engine.publish = full
        with pytest.raises(EngineFull, match="no room for 2 of 3 messages") as caught:
            app.publish_many("q", [1, 2, 3])
        assert (len(caught.value.ids), caught.value.retry_after) == (2, 3.0)
