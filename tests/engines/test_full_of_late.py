"""A queue that is full of messages which are too late to start has room for one that would run, also where no worker
is that would end them.
"""

import time

import pytest

from engines.servers.places import place
from forebay import Forebay, QueueFull
from forebay.engine.waiting import drive
from forebay.testing import ManualClock

LIMIT, TTL = 3, 0.3
#: Far beyond what any of it takes.
LONG = 60.0


@pytest.fixture(params=["memory", "sqlite", "redis", "postgresql"])
def where(request, tmp_path):
    """URL and settings."""
    with place(request.param, tmp_path) as (url, namespace):
        yield url, {"namespace": namespace} if namespace else {}


def filled(where, **ways):
    """An app whose queue holds as many as it may."""
    url, settings = where
    app = Forebay(url, **settings)
    app.queue("mail", limit=LIMIT, **ways)
    return app, app.publish_many("mail", list(range(LIMIT)), expires=TTL)


def pass_by(app):
    """Until the store's clock says that they are too late."""
    begun = drive(app.store.now())
    while drive(app.store.now()) <= begun + TTL:
        time.sleep(0.01)


def test_what_would_run_gets_in_and_what_is_too_late_is_expired(where):
    app, late = filled(where)
    with app:
        pass_by(app)
        kept = app.publish("mail", "in time")
        assert [handle.status() for handle in late] == ["expired"] * LIMIT
        assert kept.status() == "ready"
        app.publish_many("mail", [1] * (LIMIT - 1))
        with pytest.raises(QueueFull, match=f"{LIMIT} messages wait"):
            app.publish("mail", "one more")


def test_whoever_waits_for_room_gets_in_when_they_are_too_late(where):
    app, late = filled(where, on_full="wait", full_wait=LONG)
    with app:
        kept = app.publish_many("mail", [1, 2])
        assert [handle.status() for handle in (*late, *kept)] == ["expired"] * LIMIT + ["ready"] * 2


def test_it_is_looked_for_once_a_second_however_often_a_process_is_refused():
    clock = ManualClock()
    app = Forebay("memory://", clock=clock)
    app.queue("mail", limit=1)

    def refused():
        for _ in range(5):
            with pytest.raises(QueueFull):
                app.publish("mail", 2)
        return app.engine.watch.calls["tidy"]

    with app:
        app.publish("mail", 1, expires=10)
        assert refused() == 1
        clock.advance(1)
        assert refused() == 2
        clock.advance(10)
        app.publish("mail", 2)
