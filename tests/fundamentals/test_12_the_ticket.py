"""Lesson 12: the ticket says how many are ahead, and when a message starts; what comes too late is refused."""

import asyncio
import time

import pytest

from forebay import ConfigError, State, TooLate
from fundamentals.lesson import SOON, beside_a_worker, until, work


def test_a_handle_says_how_many_are_ahead(app):
    @app.task
    def send(to: str) -> None: ...

    first, second, third = send.enqueue_many([("ada",), ("bob",), ("cyd",)])
    urgent = send.using(priority=9).enqueue("dee")
    later = send.using(delay=60).enqueue("eve")
    assert [one.position() for one in (urgent, first, second, third)] == [0, 1, 2, 3]
    assert later.position() is None  # it is in no line before it is due


def test_without_a_worker_nobody_knows_when_it_starts(app):
    @app.task
    def send(to: str) -> None: ...

    assert send.enqueue("ada").eta() is None


def test_what_waits_and_what_runs_are_told_apart(app):
    """By the status, by the numbers of the queue, and by the ticket, which says of what runs when it started."""
    go = asyncio.Event()
    app.queue("one", concurrency=1)

    @app.task(queue="one")
    async def hold() -> None:
        await go.wait()

    runs, waits, last = hold.enqueue(), hold.enqueue(), hold.enqueue()

    async def story():
        await until(lambda: runs.status() is State.RUNNING)
        assert [one.status() for one in (waits, last)] == [State.READY, State.READY]
        (depth,) = await app.aqueues("one")
        assert (depth.running, depth.ready) == (1, 2)
        assert [await one.aposition() for one in (runs, waits, last)] == [0, 0, 1]
        assert await runs.aeta() == (await runs.afind()).started
        assert await waits.aeta() is None  # none has ended yet: nobody knows how long one takes
        go.set()
        await last.aresult(timeout=SOON)

    beside_a_worker(app, story)
    assert last.position() == 0


def test_it_is_expected_to_start_by_how_long_others_took(app):
    app.queue("one", concurrency=1)
    stop = asyncio.Event()

    @app.task(queue="one")
    async def nap() -> None:
        await asyncio.sleep(0.2)

    @app.task(queue="one")
    async def hold() -> None:
        await stop.wait()

    work(app, nap.enqueue())

    async def story():
        holds = hold.enqueue()
        await until(lambda: holds.status() is State.RUNNING)
        waiting = nap.enqueue_many([()] * 10)
        etas = [await one.aeta() - time.time() for one in (waiting[0], waiting[9])]
        assert 0.1 < etas[0] < 1.5 < etas[1] < 15  # 1 and 10 times 0.2 s, on a machine that may be busy
        stop.set()
        await waiting[9].aresult(timeout=SOON)

    beside_a_worker(app, story)


def test_what_would_expire_before_its_turn_is_refused_if_it_asks_for_that(app):
    app.queue("slow", rate="1/m")

    @app.task(queue="slow")
    def send(to: str) -> None: ...

    async def story():
        send.enqueue_many([(name,) for name in "abcdef"])
        in_time = send.using(expires=60, in_time=True)
        with pytest.raises(
            TooLate, match=r"send: expected to start in .*, and expires in 1m: it is not enqueued"
        ) as no:
            await in_time.aenqueue("grace")
        assert 240 < no.value.wait < 400
        assert no.value.eta > time.time() + 200
        assert len(await app.amessages(queue="slow")) in (5, 6)
        assert (await send.using(expires=3600, in_time=True).aenqueue("ada")).id
        assert (await send.using(expires=60).aenqueue("bob")).id  # who does not ask waits, and expires

    beside_a_worker(app, story)


def test_where_the_newest_goes_first_it_is_in_time(app):
    app.queue("feed", rate="1/m", lifo=True)

    @app.task(queue="feed")
    def send(to: str) -> None: ...

    async def story():
        send.enqueue_many([(name,) for name in "abcdef"])
        assert (await send.using(expires=130, in_time=True).aenqueue("grace")).id
        with pytest.raises(TooLate):
            await send.using(expires=130, in_time=True, priority=-1).aenqueue("ada")

    beside_a_worker(app, story)


def test_where_nobody_knows_it_is_taken(app):
    @app.task
    def send(to: str) -> None: ...

    assert send.using(expires=1, in_time=True).enqueue("ada").status() is State.READY  # no worker serves it yet


def test_asking_for_it_without_an_end_is_a_mistake(app):
    @app.task
    def send(to: str) -> None: ...

    with pytest.raises(ConfigError, match="give it expires= as well"):
        send.using(in_time=True)
