"""A lease costs Redis what it takes, and not what it was asked for: counted in commands, on a server of the test's own.

A queue that is bounded as a whole is published to and leased from as simply as one that is not.
"""

import contextlib

import pytest
import redis

from engines.servers import own_redis
from forebay.engine.contract import Beat, Want
from forebay.engine.redis.backend import Redis
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.testing import ManualClock

WHOLE = {"rate": 1000.0, "burst": 500.0, "concurrency": 200}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_redis.running(tmp_path_factory.mktemp("redis")) as one:
        yield one


@pytest.fixture
def client(server):
    with contextlib.closing(redis.Redis.from_url(server.url, protocol=2)) as one:
        one.flushall()
        yield one


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def engine(server, client, clock):
    one = Redis(server.settings(), clock)
    drive(one.open())
    drive(one.extend([Beat(worker="w", lease=1e6)]))
    yield one
    drive(one.close())


@pytest.fixture
def commands(client):
    """How many commands the server carries out for a call."""

    def count(call):
        client.config_resetstat()
        drive(call)
        return sum(one["calls"] for one in client.info("commandstats").values())

    return count


def messages(n, queue="q", **more):
    return [Message(id=new_id(), queue=queue, body=b"\x80", **more) for _ in range(n)]


def lease(engine, queues=("q",), limit=100):
    return drive(engine.lease(Want("w", list(queues), limit))).deliveries


@pytest.mark.parametrize("bounds", [{"rate": 1000.0, "burst": 500.0}, {"concurrency": 200}, WHOLE])
def test_a_queue_that_is_bounded_as_a_whole_takes_no_command_for_each_message(engine, commands, bounds):
    drive(engine.declare([QueueSpec(name="q", **bounds)]))
    assert commands(engine.publish(messages(100))) < 25
    assert commands(engine.lease(Want("w", ["q"], 50))) < 45
    ends = [Settlement(one, Ack(keep=0.0)) for one in lease(engine)]
    assert len(ends) == 50
    assert commands(engine.settle("w", ends)) < 45


def test_what_it_lets_through_is_what_its_meter_says(engine, clock):
    drive(engine.declare([QueueSpec(name="q", rate=10.0, burst=4.0, concurrency=3)]))
    drive(engine.publish(messages(9)))
    first = lease(engine)
    assert len(first) == 3, "as many as there are slots"
    drive(engine.settle("w", [Settlement(one, Ack()) for one in first]))
    assert len(lease(engine)) == 1, "as many as the burst has left"
    clock.advance(0.1)
    assert len(lease(engine)) == 1, "and then one with each step of the rate"


def test_what_costs_more_is_looked_at_one_by_one(engine):
    drive(engine.declare([QueueSpec(name="q", rate=10.0, burst=3.0)]))
    drive(engine.publish([*messages(1, cost=2.0), *messages(3)]))
    assert len(lease(engine)) == 2


def test_a_lease_over_many_queues_passes_over_those_in_which_nothing_waits(engine, commands):
    names = [f"q{number}" for number in range(2000)]
    drive(engine.declare([QueueSpec(name=name, concurrency=10) for name in names]))
    assert commands(engine.lease(Want("w", names, 10))) < 150
    drive(engine.publish(messages(1, "q1777")))
    assert [one.queue for one in lease(engine, names, 10)] == ["q1777"]


@pytest.mark.parametrize("bounds", [{}, {"concurrency": 10}, {"key_rate": 1000.0}])
def test_a_lease_over_many_queues_that_all_have_something_takes_from_each_in_its_turn(engine, commands, bounds):
    names = [f"q{number}" for number in range(1000)]
    drive(engine.declare([QueueSpec(name=name, **bounds) for name in names]))
    for name in names:
        drive(engine.publish(messages(2, name, key="k", lane="slow" if name == "q5" else "")))
    assert commands(engine.lease(Want("w", names, 10))) < 800
    taken = [one.queue for _ in range(99) for one in lease(engine, names, 10)]
    assert sorted(taken) == sorted(names[10:])
