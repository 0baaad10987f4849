"""Queues with a limit on PostgreSQL: transactions of the caller's own, and callers in other languages."""

import time

import pytest

from engines.servers import postgres
from forebay import Forebay, QueueFull


@pytest.fixture
def app():
    settings = postgres.empty()
    app = Forebay(settings.url, namespace=settings.namespace)
    app.queue("mail", limit=5)
    with app:
        app.queues()
        yield app


def test_open_transactions_hold_up_nobody_and_exceed_the_limit_by_what_they_bring(app):
    with postgres.connect() as one, postgres.connect() as other:
        app.publish_many("mail", [1, 2, 3, 4], in_transaction=one)
        app.publish_many("mail", [5, 6, 7], in_transaction=other)
        started = time.monotonic()
        app.publish_many("mail", [8, 9])
        assert time.monotonic() - started < 9, "who publishes beside them waits for none"
        with pytest.raises(QueueFull):
            app.publish_many("mail", [10, 11, 12, 13], in_transaction=one)
    assert app.queues("mail")[0].ready == 4 + 3 + 2
    with pytest.raises(QueueFull):
        app.publish("mail", 14)


def test_callers_in_other_languages_are_refused_as_well(app):
    name = f'"{postgres.NAMESPACE}"'
    with postgres.connect() as db:
        told = [db.execute(f"select {name}.publish_one('{n}', '', 'mail')").fetchone()[0] for n in range(4)]
        known = db.execute(f"select {name}.publish(array['3', '4', '5', '6'], array['', '', '', '']::bytea[], 'mail')")
        assert (told, known.fetchone()[0]) == ([True] * 4, ["3", None, "5", "6"])
        last = [db.execute(f"select {name}.publish_one('{n}', '', 'mail')").fetchone()[0] for n in ("4", "7")]
        assert last == [False, None], "known, and no room"
    assert app.queues("mail")[0].ready == 5


def test_however_the_planner_joins_only_what_is_too_much_makes_room():
    """What is chosen with a limit is chosen once: a join that asked again would be given the next ones."""
    settings = postgres.empty()
    app = Forebay(settings.url, namespace=settings.namespace)
    app.queue("mail", limit=3, on_full="shed_oldest")
    with app:
        app.queues()
        with postgres.connect() as db:
            for way in ("hashjoin", "mergejoin", "material"):
                db.execute(f"set enable_{way} = off")
            db.execute(f'analyze "{postgres.NAMESPACE}".message')
            for number in range(8):
                db.execute(f"select \"{postgres.NAMESPACE}\".publish_one('{number}', '', 'mail')")
        (mail,) = app.queues("mail")
        assert (mail.ready, mail.discarded) == (3, 5)
