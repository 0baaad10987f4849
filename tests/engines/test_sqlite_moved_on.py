"""A file that a newer Forebay has migrated while it was open here: nothing goes in or out, what runs can end."""

import asyncio

import apsw
import pytest

from forebay import Forebay
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import schema
from forebay.engine.waiting import drive
from forebay.model.errors import SchemaTooNew
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.store.records import Query


def migrate(path):
    """What fits all statements of this version: nobody hears of it by an error."""
    db = apsw.Connection(str(path))
    db.execute("begin immediate; alter table message add column newer text not null default 'x'")
    db.pragma("user_version", schema.newest() + 1)
    db.execute("commit")
    db.close()


@pytest.fixture
def app(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish("q", "first", id="first")
        beat = Beat(worker="w", lease=60, host="h", pid=1, queues=("q",), concurrency=1)
        drive(app.engine.extend([beat]))
        app.queues()
        yield app


@pytest.fixture
def moved(app, tmp_path):
    (delivery,) = drive(app.engine.lease(Want("w", ("q",), 1))).deliveries
    migrate(tmp_path / "q.db")
    return app, delivery


VERBS = {
    "publish": lambda app: app.publish("q", 1),
    "publish_many": lambda app: app.publish_many("q", [1, 2, 3]),
    "queues": lambda app: app.queues(),
    "messages": lambda app: app.messages(),
    "status": lambda app: app.handle("first").status(),
    "cancel": lambda app: app.handle("first").cancel(),
    "lease": lambda app: drive(app.engine.lease(Want("w", ("q",), 1))),
    "declare": lambda app: drive(app.engine.declare([QueueSpec(name="new")])),
    "pause": lambda app: drive(app.store.close_gate("q")),
    "redrive": lambda app: drive(app.store.messages(Query(queue="q"))),
    "audit": lambda app: drive(app.store.note("a", "b", "c")),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_refused_at_once_also_where_its_statements_would_fit(moved, verb):
    with pytest.raises(SchemaTooNew, match="by a newer Forebay while it was open here"):
        VERBS[verb](moved[0])


def test_what_runs_is_renewed_progresses_is_settled_and_handed_back(moved):
    app, delivery = moved
    beat = Beat(worker="w", lease=60, host="h", pid=1, queues=("q",), concurrency=1)
    assert drive(app.engine.extend([beat])) == [True]
    assert [one.id for one in drive(app.store.held("w"))] == ["first"]
    assert drive(app.store.progress(delivery, b"\x01"))
    assert drive(app.engine.lease(Want("w", ("q",), 0))).deliveries == []
    assert drive(app.engine.settle("w", [Settlement(delivery, Ack())])) == [True]
    drive(app.engine.recover(["w"]))


def test_what_lets_go_is_carried_out_beside_what_is_refused(moved):
    """They share an attempt, as whatever comes while another one is under way."""
    app, delivery = moved
    writer = app.backend.engine._db.writer

    async def together():
        with writer._at_it:
            settle = asyncio.ensure_future(app.engine.settle("w", [Settlement(delivery, Ack())]))
            publish = asyncio.ensure_future(app.apublish("q", 1))
            while writer._queue.qsize() < 1:  # noqa: ASYNC110 - the thread has taken one of the two already
                await asyncio.sleep(0.001)
        return await asyncio.gather(settle, publish, return_exceptions=True)

    settled, published = asyncio.run(together())
    assert (settled, type(published)) == ([True], SchemaTooNew)


def test_others_who_only_write_are_no_reason_to_refuse(app, tmp_path):
    db = apsw.Connection(str(tmp_path / "q.db"))
    for _ in range(3):
        db.execute("update tally set n = n")
        app.publish("q", 1)
        assert app.queues()[0].ready >= 1
    db.close()


def test_the_version_is_asked_for_only_after_others_have_written(app, monkeypatch):
    asked = []
    monkeypatch.setattr(type(app.backend.engine._db.writer), "_version", lambda _: asked.append(1) or schema.newest())
    app.publish("q", 0)
    asked.clear()
    for number in range(5):
        app.publish("q", number)
    assert asked == []
