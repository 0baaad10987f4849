"""Producers that wait for room: in order, woken, no longer than they may, and without a trace if they are stopped."""

import asyncio
import threading
import time

import pytest

from forebay import ConfigError, Forebay, QueueFull
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.produce import admission

LONG = 60.0


@pytest.fixture
def app():
    app = Forebay("memory://")
    app.queue("mail", limit=2, on_full="wait")
    with app:
        yield app


def leased(app, limit=1):
    drive(app.engine.extend([Beat(worker="w", lease=1e9)]))
    return drive(app.engine.lease(Want("w", ["mail"], limit))).deliveries


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def waiting(app):
    return sum(len(line) for line in app.producer._admission._lines.values())


def test_a_producer_waits_until_there_is_room(app, monkeypatch):
    monkeypatch.setattr(admission, "POLL", LONG)  # so that it is woken, or not found in this test
    app.publish_many("mail", [1, 2])
    thread = threading.Thread(target=app.publish, args=("mail", 3), daemon=True)
    thread.start()
    until(lambda: waiting(app))
    leased(app)
    thread.join(LONG / 2)
    assert not thread.is_alive()
    assert (app.queues("mail")[0].ready, waiting(app)) == (2, 0)


def test_what_it_brings_gets_in_bit_by_bit_and_in_order(app):
    handles = []
    thread = threading.Thread(target=lambda: handles.extend(app.publish_many("mail", list(range(7)))), daemon=True)
    thread.start()
    got = []
    while thread.is_alive() or len(got) < 7:
        got += leased(app)
    assert [handle.id for handle in handles] == [delivery.id for delivery in got]


def test_nobody_who_comes_later_overtakes(app):
    app.publish_many("mail", [0, 0])
    order, threads = [], []

    def publish(number):
        order.append((number, app.publish("mail", number).id))

    for number in range(1, 6):
        threads.append(threading.Thread(target=publish, args=(number,), daemon=True))
        threads[-1].start()
        until(lambda number=number: waiting(app) == number)
    got = []
    while len(got) < 7:
        got += leased(app)
    for thread in threads:
        thread.join(LONG)
    assert [id_ for _, id_ in sorted(order)] == [delivery.id for delivery in got[2:]]


def test_who_brings_what_places_are_kept_for_does_not_wait_behind_others():
    app = Forebay("memory://")
    app.queue("mail", limit=2, reserve=0.5, on_full="wait", full_wait=LONG)
    with app:
        app.publish("mail", 1)
        thread = threading.Thread(target=app.publish, args=("mail", 2), daemon=True)
        thread.start()
        until(lambda: waiting(app))
        started = time.monotonic()
        app.publish("mail", 3, priority=1)
        assert time.monotonic() - started < LONG / 2
        assert waiting(app) == 1
        urgent = threading.Thread(target=app.publish, args=("mail", 4), kwargs={"priority": 1}, daemon=True)
        urgent.start()
        until(lambda: waiting(app) == 2)
        leased(app)
        urgent.join(LONG)
        assert (app.queues("mail")[0].ready, waiting(app)) == (2, 1)
        leased(app, 2)
        thread.join(LONG)
        assert (app.queues("mail")[0].ready, waiting(app)) == (1, 0)


def test_no_longer_than_it_may():
    app = Forebay("memory://")
    app.queue("mail", limit=1, on_full="wait", full_wait=0.2)
    with app:
        app.publish("mail", 1)
        started = time.monotonic()
        with pytest.raises(QueueFull, match="no room for 1 of 1 messages") as caught:
            app.publish("mail", 2)
        assert 0.2 <= time.monotonic() - started < LONG / 2
        assert caught.value.queue == "mail"
        assert waiting(app) == 0


def test_who_is_cancelled_leaves_nothing_behind(app):
    async def story():
        await app.apublish_many("mail", [1, 2])
        tasks = [asyncio.create_task(app.apublish("mail", number)) for number in (3, 4)]
        await asyncio.to_thread(until, lambda: waiting(app) == 2)
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        assert tasks[0].cancelled()
        leased(app)
        await asyncio.wait_for(tasks[1], LONG)
        assert waiting(app) == 0

    asyncio.run(story())
    assert app.queues("mail")[0].published == 3


def test_a_queue_that_refuses_from_now_on_is_waited_for_no_longer(app):
    app.publish_many("mail", [1, 2])
    raised = []

    def publish():
        with pytest.raises(QueueFull) as caught:
            app.publish("mail", 3)
        raised.append(caught.value)

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    until(lambda: waiting(app))
    other = Forebay("memory://")
    spec = other.queue("mail", limit=2, on_full="reject")
    drive(app.engine.declare([spec]))
    thread.join(LONG)
    assert raised


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ({"limit": 5, "full_wait": 3}, 'give it on_full="wait" as well'),
        ({"limit": 5, "on_full": "wait", "full_wait": -1}, "full_wait must be"),
    ],
)
def test_a_time_to_wait_goes_with_waiting(ways, said):
    with pytest.raises(ConfigError, match=said):
        Forebay("memory://").queue("mail", **ways)


def test_what_never_fits_is_refused_at_once_and_what_fits_gets_in():
    app = Forebay("memory://")
    app.queue("mail", limit_bytes=100, on_full="wait", full_wait=LONG)
    with app:
        started = time.monotonic()
        with pytest.raises(QueueFull, match=r"more than limit_bytes=100: it never fits\): store the") as told:
            app.publish_many("mail", [b"x" * 10, b"x" * 200, b"x" * 20])
        assert time.monotonic() - started < LONG / 2
        assert (len(told.value.ids), told.value.retry_after) == (1, None)
        assert app.queues("mail")[0].ready == 2


def test_a_producer_waits_until_there_is_room_for_its_bytes():
    app = Forebay("memory://")
    app.queue("mail", limit_bytes=100, on_full="wait")
    with app:
        app.publish("mail", b"x" * 60)
        thread = threading.Thread(target=app.publish, args=("mail", b"x" * 60), daemon=True)
        thread.start()
        until(lambda: waiting(app))
        leased(app)
        thread.join(LONG)
        assert (app.queues("mail")[0].ready, waiting(app)) == (1, 0)


def test_what_never_fits_is_refused_at_once_though_others_wait():
    app = Forebay("memory://")
    app.queue("mail", limit_bytes=100, on_full="wait", full_wait=LONG)
    with app:
        app.publish("mail", b"x" * 60)
        thread = threading.Thread(target=app.publish, args=("mail", b"x" * 60), daemon=True)
        thread.start()
        until(lambda: waiting(app))
        started = time.monotonic()
        with pytest.raises(QueueFull, match="it never fits"):
            app.publish("mail", b"x" * 200)
        assert time.monotonic() - started < LONG / 2
        assert waiting(app) == 1
        leased(app)
        thread.join(LONG)
        assert waiting(app) == 0
