"""An app whose tasks write to a ledger, in the database of the queue, and are done in the transaction that does so."""

import contextlib
import os
import signal
import threading
import time

import apsw

from forebay import Context, Forebay, Retry, Snooze

PLACE, TABLE = os.environ["FOREBAY_TEST_LEDGER"], os.environ["FOREBAY_TEST_TABLE"]
app, here = Forebay(), threading.local()
SOON = Retry(max_attempts=2, base=0.01, cap=0.02)


@contextlib.contextmanager
def transaction():
    """One in the ledger's database, and a function that writes to it."""
    if PLACE.startswith("postgresql:"):
        import psycopg

        if not hasattr(here, "db"):
            here.db = psycopg.connect(PLACE, autocommit=True)
        with here.db.transaction():
            yield here.db, lambda id_, what: here.db.execute(f"insert into {TABLE} values (%s, %s)", (id_, what))
        return
    with contextlib.closing(apsw.Connection(PLACE)) as db:
        db.set_busy_timeout(10_000)
        with db:
            yield db, lambda id_, what: db.execute(f"insert into {TABLE} values (?, ?)", (id_, what))


@app.task(retry=SOON)
def commits(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "commits")
        child.enqueue(in_transaction=db)
        ctx.complete_in(db, 7)
    return 7


@app.task
def child(ctx: Context) -> str:
    return ctx.parent


@app.task(retry=SOON)
def undoes(ctx: Context) -> None:
    with contextlib.suppress(KeyError), transaction() as (db, write):
        write(ctx.id, "undoes")
        ctx.complete_in(db)
        raise KeyError


@app.task(retry=SOON)
def fails_within(ctx: Context) -> None:
    with transaction() as (db, write):
        write(ctx.id, "fails within")
        ctx.complete_in(db)
        raise KeyError("within")


@app.task(retry=SOON)
def fails_after(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "fails after")
        ctx.complete_in(db, 1)
    raise KeyError("after")


@app.task(retry=SOON)
def succeeds_at_last(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, f"attempt {ctx.attempt}")
        ctx.complete_in(db, ctx.attempt)
        if ctx.attempt == 1:
            raise KeyError("at first")


@app.task(retry=SOON)
def says_otherwise(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "says otherwise")
        ctx.complete_in(db, 1)
    return 2


@app.task(retry=SOON)
def snoozes(ctx: Context) -> int | Snooze:
    with transaction() as (db, write):
        write(ctx.id, "snoozes")
        ctx.complete_in(db, 1)
    return Snooze(60)


@app.task(retry=SOON)
async def asynchronous(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "asynchronous")
        await ctx.acomplete_in(db, 5)
    return 5


@app.task(cpu=True, retry=SOON)
def apart(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "apart")
        ctx.complete_in(db, 3)
    os._exit(3)


@app.task(cpu=True, retry=SOON)
def apart_undone(ctx: Context) -> int:
    with contextlib.suppress(KeyError), transaction() as (db, write):
        write(ctx.id, "apart undone")
        ctx.complete_in(db, 3)
        raise KeyError
    return 3


@app.task(at_most_once=True)
def once(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "once")
        ctx.complete_in(db, 1)


@app.task(retry=SOON)
def twice(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "twice")
        ctx.complete_in(db, 1)
    with transaction() as (db, write):
        write(ctx.id, "twice, again")
        ctx.complete_in(db, 2)


@app.task(retry=SOON)
def wrong_result(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "wrong result")
        ctx.complete_in(db, "seven")


@app.task
def dies(ctx: Context) -> int:
    with transaction() as (db, write):
        write(ctx.id, "dies")
        ctx.complete_in(db, ctx.attempt)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def effect(ctx: Context, number: int) -> int:
    time.sleep(0.05)
    with transaction() as (db, write):
        write(ctx.id, str(number))
        ctx.complete_in(db, number)
    return number
