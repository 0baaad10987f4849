"""Many unique keys at once: the server's table of locks has room for them, however few places it has for all."""

import psycopg
import pytest
from psycopg import errors as pg

from engines.servers import postgres
from forebay.engine.postgres import build, errors
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineFull
from forebay.model.ids import new_id
from forebay.model.message import Message

#: Where 25 may connect, with the usual 64 for each, and a fleet that takes some.
PLACES = 1_000


@pytest.fixture
def engine():
    made = build(postgres.empty(durability="normal"), SystemClock())
    drive(made.open())
    yield made
    drive(made.close())


@pytest.mark.parametrize("mixed", [False, True])
def test_no_transaction_takes_a_place_for_each_of_thousands_of_keys(engine, mixed):
    count = 2_500
    keys = [None if mixed and n % 3 else f"u{n}" for n in range(count)]
    receipts = drive(engine.publish([Message(id=new_id(), queue="q", unique=key) for key in keys]))
    assert len(receipts) == count
    (most, there) = postgres.run(
        "select max(n), sum(n) from (select count(once) as n from forebay.message group by xmin) as one"
    )[0]
    assert (most < PLACES, there) == (True, count - keys.count(None))


def test_where_there_is_no_place_left_the_error_says_which_setting_it_is():
    ours = errors.translate(
        pg.OutOfMemory("out of shared memory\nHINT:  You might need to increase …"), "postgresql://h/d"
    )
    assert isinstance(ours, EngineFull)
    assert "max_locks_per_transaction" in str(ours)
    other = errors.translate(pg.DiskFull("could not extend file"), "postgresql://h/d")
    assert "max_locks_per_transaction" not in str(other)
    assert isinstance(other.__cause__, psycopg.Error)
