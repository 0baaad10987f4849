"""The scenarios of what an operator, or another session, does to a PostgreSQL in the middle of work."""

import time
from typing import Any, LiteralString

import psycopg

from forebay.testing.faults.load import Load
from forebay.testing.faults.trial import Trial

_ALL = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type = 'client backend'
"""


def meddled_with(trial: Trial, rounds: int = 3) -> None:
    """T27: backends are terminated, a table is locked, the server takes no writes for a while; nobody helps."""
    load = Load(trial)
    with psycopg.connect(trial.server.url, autocommit=True) as db:
        for _ in range(rounds):
            trial.pause(0.2, 0.6)
            trial.fault("pg_terminate_backend", "all")
            db.execute(_ALL)
            load.comes_back(time.monotonic())
            trial.fault("lock table", "of messages")
            with db.transaction():
                db.execute("lock table forebay.message in access exclusive mode")
                trial.pause(1.0, 2.5)
            load.comes_back(time.monotonic())
            trial.fault("read-only")
            _set(db, "on")
            trial.pause(1.0, 2.0)
            _set(db, "off")
            trial.fault("takes writes again")
            load.comes_back(time.monotonic())
    load.finish()


def _set(db: psycopg.Connection[Any], read_only: LiteralString) -> None:
    """For sessions that begin from now on; those that are there are ended."""
    db.execute("set default_transaction_read_only = off")
    db.execute(f"alter system set default_transaction_read_only = {read_only}")
    db.execute("select pg_reload_conf()")
    db.execute(_ALL)


def old_snapshot(trial: Trial) -> None:
    """T19: a session holds a snapshot, so that no dead row goes away, while work goes on under it."""
    with psycopg.connect(trial.server.url) as db:
        load = Load(trial)
        db.execute("set transaction isolation level repeatable read")
        db.execute("select count(*) from forebay.message")
        trial.fault("snapshot", "is held")
        for _ in range(3):
            trial.send("work", 1_000)
            load.comes_back(time.monotonic())
        load.finish()
        trial.fault("snapshot", "is let go")
        db.rollback()
