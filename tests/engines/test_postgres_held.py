"""What somebody's open transaction holds (a unique key, an id, one to merge into) holds up only who needs it."""

import threading
import time

import psycopg
import pytest

from engines.servers import postgres
from engines.servers.found import needed
from fleet import until
from forebay import EngineError, Forebay
from forebay.engine.postgres import database
from forebay.engine.waiting import drive
from forebay.model.message import Message
from forebay.store.records import Schedule

pytest.importorskip("psycopg")


@pytest.fixture
def app():
    url = needed("postgres")
    settings = postgres.empty()
    app = Forebay(url, namespace=settings.namespace, durability="normal")

    @app.task
    def send(to: str = "") -> str:
        return to

    with app:
        app.send = send
        send.enqueue("before")
        yield app


@pytest.fixture
def transaction():
    with psycopg.connect(needed("postgres")) as connection:
        yield connection
        connection.rollback()


HOLDS = {
    "a unique key": {"unique": "k"},
    "an id": {"id": "my-own"},
    "one to merge into": {"unique": "k", "debounce": 60},
}


@pytest.mark.parametrize("ways", HOLDS.values(), ids=HOLDS.keys())
def test_the_others_go_on_while_one_waits_for_somebodys_transaction(app, transaction, ways):
    app.send.using(**ways).enqueue("theirs", in_transaction=transaction)
    handles = []
    waiter = threading.Thread(target=lambda: handles.append(app.send.using(**ways).enqueue("ours")))
    waiter.start()
    until(lambda: postgres.run("select 1 from pg_locks where not granted"), "its waiting for the lock")
    start = time.monotonic()
    for number in range(5):
        app.send.using(unique=f"other-{number}").enqueue()
        app.send.enqueue()
    took = time.monotonic() - start
    assert took < 0.9 * database.HELD
    assert not handles
    transaction.commit()
    waiter.join(60)
    assert len(handles) == 1
    assert app.queues("default")[0].published == 12  # what the others have enqueued, and one of these two


def test_one_that_is_held_spoils_nothing_of_its_group(app, transaction):
    """All of a crowd that came at once are accepted, but the one."""
    app.send.using(unique="k").enqueue(in_transaction=transaction)
    done = []

    def enqueue(number):
        app.send.using(unique="k" if number == 3 else f"other-{number}").enqueue()
        done.append(number)

    threads = [threading.Thread(target=enqueue, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(done) == 7, "the others", 0.9 * database.HELD)
    assert 3 not in done
    transaction.rollback()
    for thread in threads:
        thread.join(60)
    assert 3 in done


def test_at_the_deadline_the_error_names_the_key_that_is_held(app, transaction, monkeypatch):
    monkeypatch.setattr(database, "HELD", 0.2)
    app.send.using(unique="order-7").enqueue(in_transaction=transaction)
    with pytest.raises(EngineError, match="the unique key 'order-7' is held by a transaction that is not committed"):
        app.send.using(unique="order-7").enqueue()


def test_a_tick_whose_key_is_held_fails_at_once_and_is_tried_again(app, transaction):
    """Other schedules wait behind it."""
    app.send.using(unique="tick").enqueue(in_transaction=transaction)
    message = Message(id="tick-1", queue="default", task="send", body=b"\x80", unique="tick")
    drive(app.store.put_schedules([Schedule(name="s", cron="* * * * *", tz="UTC", message=message, next=1000.0)]))
    start = time.monotonic()
    with pytest.raises(EngineError, match="lock timeout"):
        drive(app.store.fire("s", 1000.0, 2000.0, [message]))
    assert time.monotonic() - start < 0.9 * database.HELD


def test_a_schedule_that_somebody_else_is_firing_is_left_to_them(app, transaction):
    """Their commit may wait for a slow disk: a worker that comes to the same tick has nothing to complain of."""
    row = Schedule(name="tick", cron="every 60s", tz="UTC", message=Message(id="", queue="q"), next=1.0)
    drive(app.store.put_schedules([row]))
    with transaction.cursor() as cursor:
        cursor.execute(f"update \"{app.settings.namespace}\".schedule set next = 61 where name = 'tick'")
        assert not drive(app.store.fire("tick", 1.0, 61.0, [Message(id="one", queue="q")]))
    transaction.rollback()
    assert drive(app.store.fire("tick", 1.0, 61.0, [Message(id="one", queue="q")]))
    assert drive(app.engine.depth(["q"]))[0].ready == 1
