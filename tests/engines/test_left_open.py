"""A task returns, and leaves the transaction open in which it was done: waited for at first, and then undone."""

import asyncio
import contextlib
import time

import apsw
import asyncpg
import psycopg
import psycopg2
import pytest

from engines.servers import postgres
from forebay import Context, Forebay, Retry
from forebay.config import WorkerOptions
from forebay.testing import drain
from forebay.work import completing, dev

ONCE = Retry(max_attempts=2, base=0.01, cap=0.02)
OPTIONS = WorkerOptions(app="x:y", drain=0.5)
#: Left open by the tasks, as by a module that keeps its connection.
KEPT = []


@contextlib.contextmanager
def place(kind, folder):
    """An app, and a function that gives a connection with an open transaction to its store."""
    try:
        yield made(kind, folder)
    finally:
        while KEPT:
            KEPT.pop().close()


def made(kind, folder):
    if kind == "sqlite":
        path = folder / "q.db"

        def begin():
            db = apsw.Connection(str(path))
            db.set_busy_timeout(10_000)
            db.execute("begin immediate")
            return db

        return Forebay(f"sqlite:///{path}", durability="normal"), begin
    settings = postgres.empty()
    connect = {"psycopg": psycopg, "psycopg2": psycopg2}[kind].connect
    app = Forebay(settings.url, namespace=settings.namespace, durability="normal")
    return app, lambda: connect(settings.url)


def leaves_open(app, begin):
    """A task that does so the first time, in a queue that runs one at a time; and what the second attempt returns."""
    app.queue("one", concurrency=1)

    @app.task(queue="one", retry=ONCE)
    def ship(ctx: Context) -> int:
        if ctx.attempt == 2:
            return 2
        KEPT.append(db := begin())
        ctx.complete_in(db, 1)
        return 1

    return ship


def run_until(app, condition, options=OPTIONS, patience=60):
    """A worker in this process, until it holds; how long it took to leave after that."""

    async def work():
        async with app, dev.working(app, options):
            end = time.monotonic() + patience
            while not await asyncio.to_thread(condition):
                assert time.monotonic() < end, "it never came"
                await asyncio.sleep(0.02)
            left = time.monotonic()
        return time.monotonic() - left

    return asyncio.run(work())


@pytest.mark.parametrize("kind", ["sqlite", "psycopg", "psycopg2"])
def test_it_is_undone_and_the_attempt_has_failed(kind, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(completing, "LEFT_OPEN", 0.2)
    with place(kind, tmp_path) as (app, begin):
        handle = leaves_open(app, begin).enqueue()
        run_until(app, lambda: handle.status() == "done")
        assert handle.result(30) == 2
        assert "its transaction was left open: undone" in caplog.text
        (db,) = KEPT
        assert not (db.in_transaction if kind == "sqlite" else db.info.transaction_status)


def test_one_of_a_loop_is_undone_on_it(tmp_path, monkeypatch):
    monkeypatch.setattr(completing, "LEFT_OPEN", 0.2)
    settings = postgres.empty()
    app = Forebay(settings.url, namespace=settings.namespace, durability="normal")

    @app.task(retry=ONCE)
    async def ship(ctx: Context) -> int:
        if ctx.attempt == 2:
            KEPT.pop().terminate()
            return 2
        KEPT.append(db := await asyncpg.connect(settings.url))
        await db.execute("begin")
        await ctx.acomplete_in(db, 1)
        return 1

    handle = ship.enqueue()
    run_until(app, lambda: handle.status() == "done")


def test_another_transaction_on_that_connection_is_left_alone(tmp_path, monkeypatch):
    """Committed, and in the next one already, while the worker cannot ask: what is open then is none of ours."""
    with place("psycopg", tmp_path) as (app, begin):

        @app.task
        def ship(ctx: Context) -> int:
            KEPT.append(db := begin())
            ctx.complete_in(db, 1)
            db.commit()
            db.execute("create temporary table mine as select 1")
            within = app.producer.within("", "")
            assert asyncio.run(within.undo(ctx.delivery)) is False
            return 1

        handle = ship.enqueue()
        run_until(app, lambda: handle.status() == "done")
        assert KEPT[0].info.transaction_status


@pytest.mark.parametrize("kind", ["sqlite", "psycopg"])
def test_a_worker_that_leaves_waits_for_none(kind, tmp_path):
    """It is undone when the drain is over: the message is back, or failed its attempt, and nothing hangs."""
    with place(kind, tmp_path) as (app, begin):
        handle = leaves_open(app, begin).enqueue()
        assert run_until(app, lambda: KEPT) < completing.LEFT_OPEN - 5
        until = time.monotonic() + 60
        while handle.status() not in ("ready", "scheduled"):
            assert time.monotonic() < until
        (db,) = KEPT
        assert not (db.in_transaction if kind == "sqlite" else db.info.transaction_status)


@pytest.mark.parametrize("kind", ["sqlite", "psycopg"])
def test_drain_says_so_at_once(kind, tmp_path):
    with place(kind, tmp_path) as (app, begin):
        leaves_open(app, begin).enqueue()
        began = time.monotonic()
        with app, pytest.raises(AssertionError, match="ship has returned, and its transaction is still open"):
            drain(app)
        assert time.monotonic() - began < completing.LEFT_OPEN - 5
        with app:
            (depth,) = app.queues("one")
            assert (depth.ready, depth.running) == (1, 0)


CPU = """
import os, psycopg
from forebay import Context, Forebay, Retry
app, KEPT = Forebay(), []
@app.task(name="ship", cpu=True, retry=Retry(max_attempts=2, base=0.01, cap=0.02))
def ship(ctx: Context) -> int:
    if ctx.attempt == 2:
        return os.getpid()
    KEPT.append(db := psycopg.connect(os.environ["FOREBAY_URL"]))
    db.execute("create temporary table pid as select 1")
    ctx.complete_in(db, 1)
    return 1
"""


def test_the_process_of_a_cpu_task_that_left_it_open_ends(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(completing, "LEFT_OPEN", 0.2)
    settings = postgres.empty()
    (tmp_path / "ships_apart.py").write_text(CPU)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FOREBAY_URL", settings.url)
    monkeypatch.setenv("FOREBAY_NAMESPACE", settings.namespace)
    import ships_apart

    handle = ships_apart.ship.enqueue()
    run_until(
        ships_apart.app, lambda: handle.status() == "done", WorkerOptions(app="ships_apart:app", cpu=1, drain=0.5)
    )
    assert handle.result(30) > 1
    assert "the process that it ran in ends" in caplog.text
