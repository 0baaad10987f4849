"""A lease over many queues that bound something looks into those in which something waits, and locks no others."""

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres.backend import Postgres
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec

NAMES = [f"q{number}" for number in range(60)]


@pytest.fixture
def engine():
    one = Postgres(postgres.empty(), SystemClock())
    drive(one.open())
    drive(one.extend([Beat(worker="w", lease=1e6)]))
    drive(one.declare([QueueSpec(name=name, concurrency=10) for name in NAMES]))
    yield one
    drive(one.close())


def test_queues_in_which_nothing_waits_are_neither_locked_nor_looked_at(engine):
    drive(engine.publish([Message(id=new_id(), queue=name, body=b"\x80") for name in ("q7", "q41")]))
    name = f'"{postgres.NAMESPACE}"'
    with postgres.connect() as holder:
        holder.execute(f"select {name}.lock_all(array['q8', 'q40'])")
        leased = drive(engine.lease(Want("w", NAMES, 10))).deliveries
    assert sorted(one.queue for one in leased) == ["q41", "q7"]
    with postgres.connect() as db:
        astir = db.execute(f"select ready from {name}.astir(%s, 16, 0)", [NAMES]).fetchone()[0]
    assert astir == [], "what was taken leaves nothing to look at"


def publish(engine, n):
    drive(engine.publish([Message(id=new_id(), queue=name, body=b"\x80") for name in NAMES for _ in range(n)]))


def lease(engine, n):
    return [one.queue for one in drive(engine.lease(Want("w", NAMES, n))).deliveries]


def test_a_lease_looks_at_no_more_of_the_queues_that_are_ready_than_it_takes_from(engine):
    """And at others each time, so that each of them has its turn."""
    publish(engine, 30)
    most = lease(engine, 64)
    assert len(most) == 64
    assert len(set(most)) == 16, "some of each, and no look for each message"
    seen = [lease(engine, 4) for _ in range(60)]
    assert {len(one) for one in seen} == {4}
    assert len({name for one in seen for name in one}) > 45


def test_where_each_queue_has_little_a_lease_takes_from_as_many_as_it_needs(engine):
    publish(engine, 1)
    assert [len(lease(engine, 50)) for _ in range(3)] == [50, 10, 0]


def test_what_the_first_ones_leave_goes_to_whoever_has_more(engine):
    drive(engine.publish([Message(id=new_id(), queue=name, body=b"\x80") for name in NAMES]))
    drive(engine.publish([Message(id=new_id(), queue="q3", body=b"\x80") for _ in range(50)]))
    assert sorted(lease(engine, 100)) == sorted([*NAMES, *["q3"] * 9]), "as many as may run at once"


def test_what_somebody_else_takes_from_is_left_to_them(engine):
    publish(engine, 1)
    name = f'"{postgres.NAMESPACE}"'
    with postgres.connect() as holder, postgres.connect() as other:
        holder.execute(f"select {name}.lock_all(array['q8', 'q40'])")
        (free,) = other.execute(f"select {name}.lock_free(array['q7', 'q8', 'q40', 'q41'])").fetchone()
    assert sorted(free) == ["q41", "q7"]
