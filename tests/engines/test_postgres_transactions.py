"""Enqueueing in a transaction of one's own in PostgreSQL, with each library: both happen, or neither."""

import asyncio
import contextlib
import threading
import time

import psycopg
import pytest

from engines.servers import postgres
from engines.servers.found import needed
from fleet import until
from forebay import ConfigError, EngineError, Forebay, NoSuchMessage
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.model.outcome import Ack, Settlement
from forebay.testing import drain

lenders = pytest.importorskip("engines.servers.lenders", exc_type=ImportError)


class Undone(Exception):
    pass


@pytest.fixture
def url():
    return needed("postgres")


@pytest.fixture
def app(url):
    with postgres.emptied() as settings:
        yield from opened(url, settings)


@pytest.fixture
def unwanted(app):
    """A key that the database refuses, for a rule of its administrator."""
    postgres.run("alter table forebay.message add constraint nobody check (key is distinct from 'nobody')")
    yield "nobody"
    postgres.run("alter table forebay.message drop constraint nobody")


def opened(url, settings):
    postgres.run("drop table if exists forebay.orders; create table forebay.orders (number bigint)")
    app = Forebay(url, namespace=settings.namespace, durability="normal")

    @app.task
    def send(to: str) -> str:
        return to

    with app:
        app.send = send
        yield app
    postgres.run("drop table forebay.orders")


INSERT = f'insert into "{postgres.NAMESPACE}".orders values (1)'


def orders():
    return [number for (number,) in postgres.run("select number from forebay.orders order by number")]


def numbers(app):
    (depth,) = app.queues("default")
    return depth.ready, depth.scheduled, depth.published


def waits_for_a_key():
    return postgres.run("select 1 from pg_locks where not granted and locktype = 'advisory'")


def failing(lent):
    """A statement of the user's that fails, within a savepoint."""
    with contextlib.suppress(Exception), lent.savepoint():
        lent.execute("select 1/0")


@pytest.fixture(params=lenders.WAYS, ids=lambda way: way.__name__)
def begin(request, url):
    return lambda: request.param(url)


@pytest.fixture(params=lenders.ASYNC_WAYS, ids=lambda way: way.__name__)
def abegin(request, url):
    return lambda: request.param(url)


# --- with each library ---


def test_an_order_and_its_mail_are_there_together(app, begin):
    with begin() as lent:
        first = app.send.enqueue("a", in_transaction=lent.connection)  # a library that begins by itself begins here
        lent.execute(INSERT)
        assert first.uncommitted
        with pytest.raises(NoSuchMessage, match="is not committed, or was undone"):
            first.status()
        failing(lent)
        with contextlib.suppress(Undone), lent.savepoint():
            app.send.enqueue("undone", in_transaction=lent.connection)
            raise Undone
        with lent.savepoint():
            app.send.enqueue_many([("b",), app.send.call("c").using(priority=2)], in_transaction=lent.connection)
        app.send.using(delay=60, key="k", unique="u").enqueue("d", in_transaction=lent.connection)
        again = app.send.using(unique="u").enqueue("e", in_transaction=lent.connection)
        assert again.duplicate
        assert numbers(app) == (0, 0, 0)
    assert (first.status(), orders(), numbers(app)) == ("ready", [1], (3, 1, 4))
    assert app.send.using(unique="u").enqueue("f").duplicate
    assert [ended.value for ended in drain(app)] == ["c", "a", "b"]


def test_an_order_that_fails_sends_no_mail(app, begin):
    handle = None
    with contextlib.suppress(Undone), begin() as lent:
        lent.execute(INSERT)
        handle = app.send.enqueue("a", in_transaction=lent.connection)
        app.publish_many("clicks", [1, 2], in_transaction=lent.connection)
        raise Undone
    with pytest.raises(NoSuchMessage, match="was undone"):
        handle.status()
    assert (orders(), numbers(app), app.messages()) == ([], (0, 0, 0), [])


def test_what_is_refused_leaves_the_transaction_as_it_was(app, begin, unwanted):
    with begin() as lent:
        lent.execute(INSERT)
        with pytest.raises(EngineError, match=r"violates check constraint"):
            app.send.using(key=unwanted).enqueue("a", in_transaction=lent.connection)
        lent.execute(INSERT)
        app.send.enqueue("b", in_transaction=lent.connection)
    assert (orders(), [ended.value for ended in drain(app)]) == ([1, 1], ["b"])


def test_asynchronously_an_order_and_its_mail_are_there_together(app, abegin, unwanted):
    async def sell():
        async with abegin() as lent:
            first = await app.send.aenqueue("a", in_transaction=lent.connection)
            await lent.execute(INSERT)
            with pytest.raises(NoSuchMessage, match="is not committed, or was undone"):
                await first.astatus()
            with contextlib.suppress(Undone):
                async with lent.savepoint():
                    await app.send.aenqueue("undone", in_transaction=lent.connection)
                    raise Undone
            async with lent.savepoint():
                many = [("b",), app.send.call("c").using(priority=2)]
                await app.send.aenqueue_many(many, in_transaction=lent.connection)
            with pytest.raises(EngineError, match=r"violates check constraint"):
                await app.send.using(key=unwanted).aenqueue("a", in_transaction=lent.connection)
            await app.send.using(delay=60, unique="u").aenqueue("d", in_transaction=lent.connection)
            assert (await app.send.using(unique="u").aenqueue("e", in_transaction=lent.connection)).duplicate
            with pytest.raises(ConfigError, match=r"this connection is asynchronous.*await task\.aenqueue"):
                app.send.enqueue("f", in_transaction=lent.connection)
            assert numbers(app) == (0, 0, 0)

    asyncio.run(sell())
    assert (orders(), numbers(app)) == ([1], (3, 1, 4))
    assert [ended.value for ended in drain(app)] == ["c", "a", "b"]


def test_asynchronously_an_order_that_fails_sends_no_mail(app, abegin):
    async def sell():
        async with abegin() as lent:
            await lent.execute(INSERT)
            await app.send.aenqueue("a", in_transaction=lent.connection)
            raise Undone

    with pytest.raises(Undone):
        asyncio.run(sell())
    assert (orders(), numbers(app)) == ([], (0, 0, 0))


def test_whoever_is_cancelled_while_it_enqueues_has_its_connection_to_itself(app, abegin):
    """It waits for the unique key that another transaction holds, and is cancelled."""

    async def sell(other):
        app.send.using(unique="u").enqueue("first", in_transaction=other)
        async with abegin() as lent:
            waits = asyncio.create_task(app.send.using(unique="u").aenqueue("x", in_transaction=lent.connection))
            await asyncio.to_thread(until, waits_for_a_key, "a wait for the key")
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            raise Undone

    with contextlib.suppress(Undone), postgres.connect() as other:
        asyncio.run(asyncio.wait_for(sell(other), 60))
    assert numbers(app) == (0, 0, 0)


# --- what is refused ---


def refused(app, connection, match):
    with pytest.raises(ConfigError, match=match):
        app.send.enqueue("a", in_transaction=connection)


def test_a_connection_that_cannot_take_it_is_refused_with_what_to_do(app, url):
    open_, closed = postgres.connect(), postgres.connect()
    closed.close()
    refused(app, closed, "this connection is closed: enqueue before the commit")
    with open_ as db:
        with contextlib.suppress(psycopg.Error):
            db.execute("select 1/0")
        refused(app, db, "has failed: roll it back, and begin it again")
        db.rollback()
        with db.pipeline():
            refused(app, db, "is in pipeline mode: enqueue before it, or after it")
        db.rollback()
        db.execute("set transaction read only")
        refused(app, db, "only reads .*: use one that writes")
    with postgres.connect(options="-c standard_conforming_strings=off") as db:
        refused(app, db, "standard_conforming_strings is off on this connection: turn it on")
    with postgres.connect(options="-c array_nulls=off") as db:
        refused(app, db, "array_nulls is off on this connection: turn it on")
    with postgres.connect(client_encoding="SQL_ASCII") as db:
        refused(app, db, "client_encoding is SQL_ASCII on this connection: set it to UTF8")
    with postgres.connect(autocommit=True) as db:
        refused(app, db, r"commits each statement by itself: enqueue within `with connection\.transaction\(\):`")
        db.execute("begin")
        app.send.enqueue("a", in_transaction=db)
        db.execute("commit")
    for other in (object(), url, psycopg):
        refused(app, other, "takes a connection to the PostgreSQL database of the queue: of psycopg.*, not ")
    assert numbers(app) == (1, 0, 1)


def test_what_a_library_says_about_its_transaction_is_heard(app, url):
    import psycopg2
    import sqlalchemy as sa
    from sqlalchemy.orm import Session

    alone = sa.create_engine(lenders.named(url, "psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with alone.connect() as db:
        refused(app, db, 'commits each statement by itself: leave isolation_level="AUTOCOMMIT" out')
    refused(app, db, "this connection is closed")
    raw = sa.create_engine(lenders.named(url, "psycopg"), poolclass=sa.NullPool).raw_connection()
    app.send.enqueue("a", in_transaction=raw)
    raw.close()
    refused(app, alone, r"not sqlalchemy\.engine\.base\.Engine")
    with sa.create_engine("sqlite://").connect() as db:
        refused(app, db, "this one is to a database of sqlite")
    with Session(sa.create_engine(lenders.named(url, "psycopg"), poolclass=sa.NullPool)) as session:
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            session.execute(sa.text("select 1/0"))
        refused(app, session, "has failed: roll it back")
    refused(app, Session(), "it gives no connection with an open transaction")
    other = psycopg2.connect(url)
    other.autocommit = True
    refused(app, other, "commits each statement by itself: enqueue within `with connection:`")
    other.close()
    connection = lenders.django_database(url)
    from django.db import connections, transaction

    refused(app, connection, r"enqueue within `with transaction\.atomic\(\):`")
    refused(app, connections["lite"], r"\('lite'\) is to a database of sqlite")
    with transaction.atomic():
        with contextlib.suppress(Undone), transaction.atomic(savepoint=False):
            raise Undone
        refused(app, connection, "has failed: leave its atomic block")
        transaction.set_rollback(False)
    connections.close_all()


def test_a_connection_that_leads_elsewhere_is_refused(app, url):
    postgres.run("create database elsewhere")
    try:
        with psycopg.connect(url.replace("/postgres", "/elsewhere")) as db:
            refused(app, db, r"leads to another database of that server \(elsewhere\), and the messages are in")
    finally:
        postgres.run("drop database elsewhere with (force)")
    with Forebay(url, namespace=f"{postgres.NAMESPACE}_other") as other, postgres.connect() as db:
        handle = other.task(app.send.function).enqueue("a", in_transaction=db)  # the namespace is the app's
        db.commit()
        assert handle.status() == "ready"
    postgres.run(f'drop schema "{postgres.NAMESPACE}_other" cascade')


class Traced:
    """What tools that trace calls put around a connection."""

    def __init__(self, wrapped):
        self.__wrapped__ = wrapped

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)


# --- what else holds ---


def test_a_connection_within_a_tool_that_traces_it_is_taken(app):
    with postgres.connect() as db:
        app.send.enqueue("a", in_transaction=Traced(db))
    assert numbers(app) == (1, 0, 1)


def test_the_same_id_twice_in_a_transaction_is_one_message(app):
    """Whatever published it there, in whatever savepoint; and one that has ended is known."""
    many = [app.send.call("x").using(id=f"order-{n}") for n in range(3)]
    with postgres.connect() as db:
        for turn in range(2):
            with db.transaction():
                handles = app.send.enqueue_many(many, in_transaction=db)
                assert [handle.duplicate for handle in handles] == [turn == 1] * 3
                assert app.send.using(id="one").enqueue("x", in_transaction=db).duplicate == (turn == 1)
    assert numbers(app) == (4, 0, 4)
    drain(app)
    with postgres.connect() as db, db.transaction():
        some = [*many, app.send.call("x").using(id="new")]
        assert [one.duplicate for one in app.send.enqueue_many(some, in_transaction=db)] == [True] * 3 + [False]
    assert numbers(app) == (1, 0, 5)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_transaction_that_sees_the_past_takes_in_nothing_twice(app, level):
    app.send.using(id="x").enqueue("x")
    with contextlib.suppress(psycopg.Error), postgres.connect() as db:
        db.execute(f"set transaction isolation level {level}")
        db.execute("select 1 from pg_class limit 1")
        drain(app)
        with pytest.raises(EngineError, match=r"in each other's way .*: roll it back, and begin it again"):
            app.send.using(id="x").enqueue("x", in_transaction=db)
        with pytest.raises(ConfigError, match=f"unique= cannot be kept in a transaction that is {level}"):
            app.send.using(unique="x").enqueue("x", in_transaction=db)
        app.send.enqueue("y", in_transaction=db)
    assert [ended.value for ended in drain(app)] == ["y"]
    assert not postgres.run("select 1 from forebay.ended where state = 'probe'")


def test_a_duplicate_in_a_long_transaction_holds_up_nobody_who_runs_the_first(app):
    first = app.send.using(unique="u").enqueue("a")
    with postgres.connect() as db:
        assert app.send.using(unique="u").enqueue("b", in_transaction=db).id == first.id
        assert [ended.value for ended in drain(app)] == ["a"]
    assert first.status() == "done"


def test_a_key_that_a_long_transaction_holds_holds_up_nobody_but_its_own(app):
    done = threading.Event()

    def same_key(answers):
        answers.append(app.send.using(unique="u").enqueue("b"))
        done.set()

    answers = []
    with postgres.connect() as db:
        first = app.send.using(unique="u").enqueue("a", in_transaction=db)
        other = threading.Thread(target=same_key, args=(answers,))
        other.start()
        until(waits_for_a_key, "a wait for the key")
        began = time.monotonic()
        for number in range(5):
            app.send.enqueue(str(number))
        assert time.monotonic() - began < 9, "nor until it is given up"
        assert not done.is_set()
    other.join()
    assert (answers[0].duplicate, answers[0].id) == (True, first.id)


def test_what_the_server_refuses_leaves_the_transaction_as_it_was(app):
    with postgres.connect() as other, postgres.connect() as db:
        app.send.using(unique="u").enqueue("first", in_transaction=other)
        db.execute(INSERT)
        db.execute("set local lock_timeout = '50ms'")
        with pytest.raises(EngineError, match=r"in each other's way .*lock timeout"):
            app.send.enqueue_many([("a",), app.send.call("b").using(unique="u")], in_transaction=db)
        app.send.enqueue("c", in_transaction=db)
        db.commit()
        other.rollback()
    assert (orders(), [ended.value for ended in drain(app)]) == ([1], ["c"])


def test_whether_a_task_is_done_is_not_known_while_its_transaction_is_open(app):
    engine, within = app.backend.engine, app.engine.within
    app.send.enqueue("a")
    drive(engine.extend([Beat(worker="w", lease=60)]))
    (delivery,) = drive(engine.lease(Want("w", ("default",), 1))).deliveries
    with postgres.connect() as db:
        assert drive(within.complete_in(db, "w", Settlement(delivery, Ack())))
        assert drive(within.completed("w", [delivery])) == ["open"]
        db.rollback()
        assert drive(within.completed("w", [delivery])) == ["undone"]
        assert drive(within.complete_in(db, "w", Settlement(delivery, Ack())))
    assert drive(within.completed("w", [delivery])) == ["committed"]


def test_workers_are_woken_by_the_commit(app):
    heard, ready = [], threading.Event()

    def listen():
        with postgres.connect(autocommit=True) as db:
            db.execute(f'listen "{app.backend.transacts._db.address.channel}"')
            ready.set()
            heard.extend(note.payload for note in db.notifies(timeout=60, stop_after=1))

    listener = threading.Thread(target=listen)
    listener.start()
    ready.wait(60)
    with contextlib.suppress(Undone), postgres.connect() as db:
        app.publish("undone", 1, in_transaction=db)
        raise Undone
    with postgres.connect() as db:
        app.send.enqueue("a", in_transaction=db)
    listener.join()
    assert heard == ["q:default"]


def test_an_app_that_was_never_opened_declares_its_queues_beside_the_transaction(app, url):
    """Not in it: whoever declares them, too, would have to wait for its end."""
    other = Forebay(url, namespace=postgres.NAMESPACE)
    other.queue("brief", ttl=30)
    late = other.task(queue="brief")(app.send.function)
    with postgres.connect() as db:
        handle = late.enqueue("a", in_transaction=db)
        with Forebay(url, namespace=postgres.NAMESPACE) as third:
            third.queue("brief", ttl=30)
            third.task(queue="brief")(app.send.function).enqueue("b")
    found = app.messages(queue="brief")[0]
    assert (found.id, found.expires - found.created) == (handle.id, pytest.approx(30))


def test_the_first_message_of_all_makes_the_schema_beside_the_transaction(url):
    """As of a web server that was deployed before any worker: its first request is like all others."""
    first = Forebay(url, namespace=f"{postgres.NAMESPACE}_first")
    try:
        with postgres.connect() as db:
            db.execute("create temporary table orders (number bigint)")
            handle = first.task(charge).enqueue(1, in_transaction=db)
            assert handle.uncommitted
        assert handle.status() == "ready"
    finally:
        drive(first.close())
        postgres.run(f'drop schema if exists "{postgres.NAMESPACE}_first" cascade')


def charge(number: int) -> None:
    """A task."""
