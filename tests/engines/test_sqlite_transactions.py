"""Enqueueing in a transaction of one's own: what is refused, what comes of errors, and that both happen or neither."""

import asyncio
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import apsw
import pytest

from fleet import Place, until
from forebay import ConfigError, Context, EngineError, EngineFull, Forebay, NoSuchMessage, Registry, Retry
from forebay.testing import drain


@pytest.fixture
def app(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/shop.db", durability="normal")

    @app.task
    def send(to: str) -> str:
        return to

    with app:
        app.send = send
        yield app


@pytest.fixture
def db(app, tmp_path):
    with contextlib.closing(apsw.Connection(f"{tmp_path}/shop.db")) as db:
        db.set_busy_timeout(10_000)
        db.execute("create table orders (number)")
        yield db


def orders(db):
    return [number for (number,) in db.execute("select number from orders order by number")]


def ready(app):
    return app.queues("default")[0].ready


def test_an_order_and_its_mail_are_there_together(app, db):
    with db:
        db.execute("insert into orders values (1)")
        handle = app.send.enqueue("a@b.c", in_transaction=db)
        assert handle.uncommitted
        with pytest.raises(NoSuchMessage, match="is not committed, or was undone"):
            handle.status()
        with pytest.raises(NoSuchMessage, match="is not committed, or was undone"):
            handle.result(timeout=30)
    assert (handle.status(), handle.uncommitted, orders(db), ready(app)) == ("ready", False, [1], 1)


def test_an_order_that_fails_sends_no_mail(app, db):
    handle = None
    with contextlib.suppress(ZeroDivisionError), db:
        db.execute("insert into orders values (1)")
        handle = app.send.enqueue("a@b.c", in_transaction=db)
        1 / 0  # noqa: B018
    with pytest.raises(NoSuchMessage, match="was undone"):
        handle.status()
    assert (orders(db), ready(app)) == ([], 0)


def test_a_part_that_is_undone_takes_its_messages_with_it(app, db):
    with db:
        app.send.enqueue("kept", in_transaction=db)
        with contextlib.suppress(ZeroDivisionError), db:
            app.send.enqueue("undone", in_transaction=db)
            1 / 0  # noqa: B018
    assert (ready(app), app.queues("default")[0].published) == (1, 1)


def test_every_way_to_enqueue_takes_the_transaction(app, db):
    send, many = app.send, [("a",), app.send.call("b").using(priority=2), app.send.call("c").using(delay=60)]

    async def asynchronously():
        return [
            await send.aenqueue("d", in_transaction=db),
            await send.using(key="k").aenqueue("e", in_transaction=db),
            *await send.aenqueue_many([("f",)], in_transaction=db),
            await send.call("g").aenqueue(in_transaction=db),
            await app.apublish("clicks", 1, in_transaction=db),
        ]

    def all_of_them():
        return [
            *send.enqueue_many(many, in_transaction=db),
            *send.using(in_transaction=db).enqueue_many([("h",)]),
            send.using(in_transaction=db, unique="u").enqueue("i"),
            send.call("j").enqueue(in_transaction=db),
            app.publish("clicks", 1, in_transaction=db),
            *app.publish_many("clicks", [1, 2], in_transaction=db),
            *asyncio.run(asynchronously()),
        ]

    with contextlib.suppress(ZeroDivisionError), db:
        assert len({handle.id for handle in all_of_them()}) == 14
        1 / 0  # noqa: B018
    assert app.messages() == []
    with db:
        handles = all_of_them()
    assert {handle.status() for handle in handles} == {"ready", "scheduled"}
    assert app.send.using(unique="u").enqueue("again").duplicate


def test_an_app_that_was_never_opened_declares_its_queues_in_the_transaction(app, db):
    other = Forebay(app.settings.url)
    other.queue("brief", ttl=30)
    late = other.task(queue="brief")(app.send.function)
    with db:
        handle = late.enqueue("a", in_transaction=db)
    (found,) = app.messages(queue="brief")
    assert (found.id, round(found.expires - found.created)) == (handle.id, 30)


def test_what_hangs_on_the_connection_stays_the_owners(app, db):
    seen = []
    db.row_trace, db.exec_trace = lambda _, row: {"row": row}, lambda *_: seen.append(1) or True
    db.set_commit_hook(lambda: seen.append("theirs") or False)
    with db:
        assert app.send.enqueue("a", in_transaction=db).id
    assert seen[-1] == "theirs"
    assert list(db.execute("select 7")) == [{"row": (7,)}]
    db.row_trace = db.exec_trace = None
    assert ready(app) == 1


def connections(tmp_path):
    """What is no transaction of ours, and what is said to it."""
    url, other = f"{tmp_path}/shop.db", f"{tmp_path}/other.db"
    closed, reads, idle = apsw.Connection(url), apsw.Connection(url), apsw.Connection(url)
    closed.close()
    only, away, both, attached = (
        apsw.Connection(url, flags=apsw.SQLITE_OPEN_READONLY),
        apsw.Connection(other),
        apsw.Connection(url),
        apsw.Connection(other),
    )
    reads.pragma("query_only", True)
    both.execute("attach ? as other", (other,))
    attached.execute("attach ? as shop", (url,))
    hides, locks, memory = apsw.Connection(url), apsw.Connection(url, vfs="unix-none"), apsw.Connection(":memory:")
    hides.execute("create temp table message (n)")
    for one in (only, away, both, attached, reads, hides, locks, memory):
        one.execute("begin")
    return [
        (idle, "no transaction is open"), (closed, "is closed"), (only, "only reads"), (reads, "only reads"),
        (away, "this connection is to .*other.db"), (memory, "a database in memory"), (both, "is attached to this"),
        (attached, "only attached to this connection, as shop"), (hides, "hides one of the queue"),
        (locks, "unix-none"), (object(), "not builtins.object"), ("begin", "not builtins.str"),
        (sqlite3.connect(":memory:"), "a second SQLite library"),
    ]  # fmt: skip


def test_what_is_no_transaction_of_this_file_is_refused_with_what_to_do(app, db, tmp_path):
    for connection, text in connections(tmp_path):
        with pytest.raises(ConfigError, match=text):
            app.send.enqueue("a", in_transaction=connection)
        if isinstance(connection, apsw.Connection | sqlite3.Connection):
            connection.close()
    assert app.messages() == []


def test_an_engine_without_transactions_says_so():
    memory = Forebay("memory://")

    @memory.task
    def send() -> None: ...

    with pytest.raises(ConfigError, match=r"memory:// has no transactions of your own: send asks for .* use sqlite:"):
        send.enqueue(in_transaction=object())

    @memory.task(retry=Retry.never())
    def completes(context: Context) -> None:
        context.complete_in(object())

    completes.enqueue()
    (ended,) = drain(memory)
    assert (
        "no transactions of your own: task completes asks for transactions of your own (ctx.complete_in()): use sqlite://"
        in str(ended.error)
    )


def test_a_parameter_of_that_name_is_refused_where_the_task_is_made():
    with pytest.raises(ConfigError, match="a parameter called in_transaction could not be given"):

        @Registry().task
        def send(in_transaction: int) -> None: ...


def test_a_call_keeps_no_transaction(app, db):
    with db, pytest.raises(ConfigError, match="a call is for later"):
        app.send.using(in_transaction=db).call("a")


def test_a_file_that_is_not_prepared_is_refused_before_anything_is_written(tmp_path):
    late = Forebay(f"sqlite:///{tmp_path}/new.db")
    send = late.task(len)
    with contextlib.closing(apsw.Connection(f"{tmp_path}/new.db")) as db, db:
        with pytest.raises(ConfigError, match="open the app once before the transaction"):
            send.enqueue("a", in_transaction=db)
        assert db.in_transaction


def test_beyond_max_size_only_the_message_is_refused_and_the_transaction_goes_on(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/small.db", max_size=500_000)

    @app.task
    def take(text: str) -> None: ...

    with app, contextlib.closing(apsw.Connection(f"{tmp_path}/small.db")) as db:
        db.execute("create table orders (number)")
        with db:
            db.execute("insert into orders values (1)")
            with pytest.raises(EngineFull, match="max_size = 500,000 bytes"):
                take.enqueue("x" * 600_000, in_transaction=db)
            take.enqueue("x", in_transaction=db)
        assert (orders(db), ready(app)) == ([1], 1)


def test_a_transaction_that_cannot_write_now_says_how_to_begin_one_that_waits(app, db, tmp_path):
    with contextlib.closing(apsw.Connection(f"{tmp_path}/shop.db")) as hasty:
        hasty.execute("begin")
        hasty.execute("select count(*) from orders").fetchall()  # as it is now
        db.execute("insert into orders values (1)")
        with pytest.raises(EngineError, match="others have written since it began"):
            app.send.enqueue("a", in_transaction=hasty)
        assert hasty.in_transaction
        hasty.execute("rollback")
    assert ready(app) == 0


def test_a_connection_that_would_give_up_at_once_waits_for_other_writers_all_the_same(app, db, tmp_path):
    db.execute("begin immediate")
    over = threading.Timer(0.3, lambda: db.execute("commit"))
    over.start()
    with contextlib.closing(apsw.Connection(f"{tmp_path}/shop.db")) as hasty, hasty:
        app.send.enqueue("a", in_transaction=hasty)
    over.join()
    assert ready(app) == 1


def test_who_enqueues_beside_its_own_transaction_is_told_that_it_waits_for_itself(app, db):
    db.execute("begin immediate")
    with pytest.raises(EngineError, match="a transaction of this very process holds the write lock"):
        app.send.enqueue("a")  # after ten seconds
    db.execute("rollback")
    assert app.send.enqueue("a").status() == "ready"


SHOP = """
import apsw, os, sys

from forebay import Forebay

app = Forebay()

@app.task
def send(number: int) -> int:
    return number


def sell(first: int) -> None:
    db = apsw.Connection(os.environ["SHOP"])
    db.set_busy_timeout(10_000)
    db.execute("create table if not exists orders (number integer primary key, id text)")
    with app:
        print("sells", flush=True)
        for number in range(first, first + 1_000_000):
            with db:
                handle = send.enqueue(number, in_transaction=db)
                db.execute("insert into orders values (?, ?)", (number, handle.id))
                if number % 7 == 0:
                    send.enqueue_many([(-number,), (-number,)], in_transaction=db)


if __name__ == "__main__":
    sell(int(sys.argv[1]))
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    place = Place(tmp_path, tmp_path / "shop.py", SHOP=f"{tmp_path}/queue.db")
    yield place
    place.close()


def test_killed_at_any_moment_an_order_and_its_message_are_both_there_or_neither(shop, tmp_path):
    for turn in range(6):
        first = 1 + turn * 1_000_000
        seller = subprocess.Popen(
            [sys.executable, str(tmp_path / "shop.py"), str(first)],
            env={**shop.environment, "SHOP": f"{tmp_path}/queue.db"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert seller.stdout.readline() == "sells\n"
        time.sleep(random.uniform(0.02, 0.3))
        seller.send_signal(signal.SIGKILL)
        seller.wait()
        seller.stdout.close()
        with contextlib.closing(apsw.Connection(f"{tmp_path}/queue.db")) as db:
            sold = list(db.execute("select number, id from orders"))
        here = {found.id for found in shop.crew.app.messages(limit=100_000)}
        others = 2 * sum(number % 7 == 0 for number, _ in sold)
        assert {id_ for _, id_ in sold} <= here
        assert len(here) == len(sold) + others == shop.crew.app.queues("default")[0].ready
    assert len(sold) > 10


def test_a_worker_elsewhere_hears_of_the_commit_at_once(shop, tmp_path):
    app, send = shop.crew.app, shop.crew.send
    with app, shop.fleet(), contextlib.closing(apsw.Connection(f"{tmp_path}/queue.db")) as db:
        db.set_busy_timeout(10_000)
        send.enqueue(0).result(30)
        waited = []
        for number in range(5):
            with db:
                handle = send.enqueue(number, in_transaction=db)
            began = time.monotonic()
            handle.result(30)
            waited.append(time.monotonic() - began)
        assert min(waited) < 0.7  # and not at the next look, a second later


def test_workers_wait_for_a_long_transaction_and_lose_nothing(shop, tmp_path):
    app, send = shop.crew.app, shop.crew.send
    with app, shop.fleet() as fleet, contextlib.closing(apsw.Connection(f"{tmp_path}/queue.db")) as db:
        pids = fleet.pids()
        handles = send.enqueue_many([(number,) for number in range(200)])
        until(lambda: app.queues("default")[0].done > 0, "some work")
        db.set_busy_timeout(10_000)
        db.execute("begin immediate")
        last = send.enqueue(1_000, in_transaction=db)
        released = threading.Event()
        released.wait(3)
        db.execute("commit")
        assert last.result(30) == 1_000
        assert [handle.result(30) for handle in handles] == list(range(200))
        assert fleet.pids() == pids
