"""What somebody else wrote over messages and numbers, past every check: it is a dead letter, or counts as 0, and stops
nobody else.
"""

import pytest

from engines.servers import redis
from forebay.engine.contract import Beat, Want
from forebay.engine.redis import build
from forebay.engine.waiting import drive
from forebay.model.errors import EngineError
from forebay.model.ids import new_id
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, Retry, Settlement
from forebay.model.queue import Limit, QueueSpec, fields_of
from forebay.store.records import Choice, Query
from forebay.testing import ManualClock

QUEUES = ("plain", "bounded", "ordered", "limited")
#: As long as a head, or longer, and none; the last is the beginning of one, whose route is no text.
HEADS = [b"\xff" * 40, b"x" * 5000, b"9" * 29, b"\0" * 25 + b"\0\0\0\7\x96\xa1\xff\xa0\0\xa0\xc0\xc0"]
PACKED = [b"", b"\x81\xa1", b"garbage", b"\x97" + b"\xa1x" * 7]


@pytest.fixture
def clock():
    return ManualClock(1_000_000)


@pytest.fixture
def engine(clock):
    with redis.empty() as settings:
        made = build(settings, clock)
        drive(made.open())
        drive(made.extend([Beat(worker="w", lease=1e6)]))
        bounds = [
            QueueSpec(name="bounded", rate=1e6, key_concurrency=9),
            QueueSpec(name="ordered", ordered=True),
            QueueSpec(name="limited", **fields_of(Limit(messages=100, size=10**6))),
        ]
        drive(made.declare(bounds))
        yield made
        drive(made.close())


def publish(engine, queue, **fields):
    message = Message(**{"id": new_id(), "queue": queue, "body": b"\x80", "task": "t", "key": "k"} | fields)
    drive(engine.publish([message]))
    return message.id


def meddle(engine, command, name, *args):
    with redis.client() as server:
        getattr(server, command)(f"{engine._server.address.tag}{name}", *args)


def lease(engine, worker="w"):
    return drive(engine.lease(Want(worker, QUEUES, 100))).deliveries


def work(engine, worker="w"):
    """All that can be leased of all queues, acknowledged; their ids."""
    ids = []
    while taken := lease(engine, worker):
        assert all(drive(engine.settle(worker, [Settlement(one, Ack()) for one in taken])))
        ids += [one.id for one in taken]
    return ids


def look(engine, ids):
    """By every way there is; what is found of these ids."""
    drive(engine.messages(Query(limit=100)))
    drive(engine.messages(Query(state=State.DEAD, limit=100)))
    drive(engine.latest(100))
    drive(engine.depth())
    return drive(engine.find(ids))


def depth(engine, queue):
    (found,) = drive(engine.depth([queue]))
    return found.ready, found.scheduled, found.running, found.dead


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize(
    ("part", "content", "why"),
    [("m", head, "head") for head in HEADS] + [("x", packed, "history") for packed in PACKED],
)
def test_what_nobody_can_read_is_a_dead_letter_and_the_others_run(engine, queue, part, content, why):
    ids = [publish(engine, queue) for _ in range(5)]
    meddle(engine, "hset", part, ids[2], content)
    look(engine, ids)
    assert work(engine) == [*ids[:2], *ids[3:]]
    odd = look(engine, ids)[2]
    assert (odd.state, odd.queue, odd.body) == (State.DEAD, queue, b"\x80")
    assert odd.cause == f"it is not readable: somebody else wrote over its {why}"
    assert depth(engine, queue) == (0, 0, 0, 1)
    assert drive(engine.redrive(Choice(ids=[ids[2]]), 9)) == 1
    assert work(engine) == [ids[2]]
    assert depth(engine, queue) == (0, 0, 0, 0)


def test_headers_that_are_none_take_nothing_else_along(engine):
    odd = publish(engine, "plain", headers={"a": "b"}, unique="u")
    with redis.client() as server:
        heads = f"{engine._server.address.tag}m"
        server.hset(heads, odd, server.hget(heads, odd).replace(b"\xa1b", b"\xa1\xff"))
    other = publish(engine, "plain")
    assert work(engine) == [other]
    (found,) = drive(engine.find([odd]))
    assert (found.state, found.task, found.key, found.headers) == (State.DEAD, "t", "k", None)
    assert work(engine) == []
    again = publish(engine, "plain", unique="u")
    assert work(engine) == [again]


def test_bodies_that_are_all_gone_are_empty(engine):
    publish(engine, "plain")
    meddle(engine, "delete", "b")
    assert [one.body for one in lease(engine)] == [b""]


@pytest.mark.parametrize("content", PACKED)
def test_a_failure_that_is_none_hides_nothing(engine, content):
    odd, other = publish(engine, "plain"), publish(engine, "plain")
    meddle(engine, "hset", "f", odd, content)
    first, second = look(engine, [odd, other])
    assert first.failure.type == "Unreadable"
    assert second.failure is None
    assert work(engine) == [odd, other]


@pytest.mark.parametrize(
    "field", ["published", "running", "scheduled", "dead", "done", "seconds", "bytes", "most", "ttl", "go"]
)
def test_numbers_that_are_none_count_as_zero(engine, field):
    queue = "limited" if field in ("bytes", "most") else "plain"
    ids = [publish(engine, queue) for _ in range(3)]
    for value in "letters", str(2**63 - 1) if field == "published" else "1x", "":
        meddle(engine, "hset", f"q:{queue}", field, value)
        ids.append(publish(engine, queue))
        look(engine, ids)
    assert work(engine) == ids
    assert depth(engine, queue)[0] == 0


@pytest.mark.parametrize("field", ["seq", "fence", "ends"])
def test_numbers_that_give_order_go_on_above_all_that_were_given(engine, field):
    ids = [publish(engine, "plain")]
    assert work(engine) == ids
    meddle(engine, "hset", "meta", field, "letters")
    more = [publish(engine, "plain") for _ in range(3)]
    assert work(engine) == more
    assert [one.id for one in drive(engine.messages(Query(state=State.DONE, limit=9)))] == ids + more


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("key", ["m", "run", "tok"])
def test_a_lease_that_fails_leaves_all_in_their_lines(engine, queue, key):
    ids = [publish(engine, queue) for _ in range(3)]
    with redis.client() as server:
        name = f"{engine._server.address.tag}{key}"
        before = server.dump(name)
        server.delete(name)
        server.set(name, "of another kind")
        with pytest.raises(EngineError):
            lease(engine)
        server.delete(name)
        if before:
            server.restore(name, 0, before)
    assert work(engine) == ids


@pytest.mark.parametrize("part", ["m", "x"])
@pytest.mark.parametrize("outcome", [Ack(), Retry(5, Failure("E", "m"))])
def test_what_runs_and_is_written_over_is_settled_and_recovered_all_the_same(engine, clock, part, outcome):
    ids = [publish(engine, "plain") for _ in range(4)]
    taken = lease(engine)
    for odd in ids[1], ids[3]:
        meddle(engine, "hset", part, odd, b"\xff" * 40)
    look(engine, ids)
    assert drive(engine.settle("w", [Settlement(one, outcome) for one in taken[:2]])) == [True, True]
    assert drive(engine.recover(["w"])).workers == ["w"]
    drive(engine.extend([Beat(worker="v", lease=1e6)]))
    clock.advance(10)
    assert set(work(engine, "v")) >= {ids[2]}
    assert depth(engine, "plain")[:3] == (0, 0, 0)


@pytest.mark.parametrize("head", HEADS)
def test_what_waits_for_its_time_and_is_written_over_is_a_dead_letter_then(engine, clock, head):
    odd = [publish(engine, "plain", delay=10), publish(engine, "plain", ttl=5), publish(engine, "plain")]
    last = publish(engine, "plain", delay=10)
    for one in odd:
        meddle(engine, "hset", "m", one, head)
    assert drive(engine.cancel(odd[2:])) == [State.CANCELLED]
    clock.advance(20)
    assert work(engine) == [last]
    assert depth(engine, "plain") == (0, 0, 0, 2)
    drive(engine.tidy(100))


def test_dead_letters_that_are_written_over_hide_no_other(engine):
    ids = [publish(engine, "plain") for _ in range(3)]
    for one in ids:
        meddle(engine, "hset", "x", one, b"garbage")
    assert work(engine) == []
    meddle(engine, "hset", "m", ids[0], b"garbage")
    meddle(engine, "hset", "e", ids[1], b"garbage")
    assert ids[2] in [one.id for one in drive(engine.messages(Query(state=State.DEAD, limit=9)))]
    assert drive(engine.redrive(Choice(), 9)) == 1
    assert work(engine) == [ids[2]]
    drive(engine.purge(Choice(), 9))


@pytest.mark.parametrize("part", ["m", "x"])
def test_what_nobody_can_read_stays_when_the_others_move(engine, part):
    ids = [publish(engine, "plain") for _ in range(3)]
    meddle(engine, "hset", part, ids[1], b"\xff" * 40)
    drive(engine.moves.claim("r", "me"))
    load = drive(engine.moves.depart("r", "me", "plain"))
    assert [one.id for one in load.passages] == [ids[0], ids[2]]
