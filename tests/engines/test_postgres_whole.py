"""A queue that is bounded as a whole is leased from without a look at each message, and gives what its meter says."""

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres.backend import Postgres
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def engine(clock):
    one = Postgres(postgres.empty(), clock)
    drive(one.open())
    drive(one.extend([Beat(worker="w", lease=1e6)]))
    drive(one.declare([QueueSpec(name="q", rate=10.0, burst=4.0, concurrency=3)]))
    yield one
    drive(one.close())


def put(engine, *costs):
    drive(engine.publish([Message(id=new_id(), queue="q", cost=cost, body=b"\x80") for cost in costs]))


def lease(engine, limit=10):
    return drive(engine.lease(Want("w", ["q"], limit))).deliveries


def simply(clock):
    """Whether the next lease would be simple; it takes one."""
    text = "select done from forebay.take_whole(forebay.told('q', %s), 'w', 1, 1, %s)"
    return postgres.run(text, (clock.now(), clock.now()))


def test_slots_and_a_rate_of_the_whole_queue(engine, clock):
    put(engine, *[1.0] * 9)
    first = lease(engine)
    assert len(first) == 3, "as many as there are slots"
    assert all(drive(engine.settle("w", [Settlement(one, Ack()) for one in first])))
    assert len(lease(engine)) == 1, "as many as the burst has left"
    clock.advance(0.1)
    assert len(lease(engine)) == 1, "and then one with each step of the rate"


@pytest.mark.parametrize(("costs", "simple"), [((1.0, 1.0), True), ((5.0, 1.0), False)])
def test_what_costs_more_is_looked_at(engine, clock, costs, simple):
    put(engine, *costs)
    assert [bool(row[0]) for row in simply(clock)] == [simple]
