"""What stands in a line and is no message, as somebody took its head away: it stops nobody, and takes nobody along."""

import pytest

from engines.servers import redis
from forebay.engine.contract import Beat, Want
from forebay.engine.redis import build
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import Limit, QueueSpec, fields_of
from forebay.testing import ManualClock

QUEUES = ("plain", "bounded", "ordered", "limited")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def engine(clock):
    with redis.empty() as settings:
        made = build(settings, clock)
        drive(made.open())
        drive(made.extend([Beat(worker="w", lease=1e6)]))
        bounds = [
            QueueSpec(name="bounded", rate=1e6, key_concurrency=9),
            QueueSpec(name="ordered", ordered=True),
            QueueSpec(name="limited", **fields_of(Limit(messages=100))),
        ]
        drive(made.declare(bounds))
        yield made
        drive(made.close())


def publish(engine, queue, **fields):
    message = Message(id=new_id(), queue=queue, body=b"\x80", key="k", **fields)
    drive(engine.publish([message]))
    return message.id


def work(engine, most):
    """All that can be leased of all queues, acknowledged; their ids."""
    ids = []
    while taken := drive(engine.lease(Want("w", QUEUES, most))).deliveries:
        assert all(drive(engine.settle("w", [Settlement(one, Ack()) for one in taken])))
        ids += [one.id for one in taken]
    return ids


@pytest.mark.parametrize("most", [1, 100])
@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("head", [None, b"not one of ours"])
def test_what_has_lost_its_head_takes_no_other_along(engine, queue, most, head):
    ids = [publish(engine, queue) for _ in range(7)]
    lost = ids[2], ids[5]
    with redis.client() as server:
        heads = f"{engine._server.address.tag}m"
        for one in lost:
            server.hdel(heads, one)
            if head is not None:
                server.hset(heads, one, head)
    assert work(engine, most) == [one for one in ids if one not in lost]
    after = publish(engine, queue)
    assert work(engine, most) == [after]
    (depth,) = drive(engine.depth([queue]))
    assert (depth.ready, depth.running, depth.done) == (0, 0, 6)


def test_an_entry_that_never_was_a_message_is_passed_over(engine):
    tag = engine._server.address.tag
    with redis.client() as server:
        server.zadd(f"{tag}r:plain:", {b"": -9, b"stray": -8, b"\xff" * 50: -7})
        server.zadd(f"{tag}ln:plain", {"": 0})
    ids = [publish(engine, "plain") for _ in range(3)]
    assert work(engine, 2) == ids


def test_one_that_waits_for_its_time_and_has_lost_its_head_holds_up_nobody(engine, clock):
    due, late = publish(engine, "plain", delay=10), publish(engine, "plain", ttl=5)
    last = publish(engine, "plain", delay=10)
    with redis.client() as server:
        for one in due, late:
            server.hset(f"{engine._server.address.tag}m", one, b"short")
    clock.advance(20)
    assert work(engine, 5) == [last]
