"""Leases from bounded queues take few statements, each of which costs a change of threads; a free slot wakes who waits.

A queue that is bounded as a whole is leased from as simply as one that is not.
"""

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import lanes
from forebay.engine.sqlite.backend import Sqlite
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
def opened(tmp_path, clock):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", durability="normal"), clock)
    drive(engine.open())
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    yield engine
    drive(engine.close())


@pytest.fixture
def turns(monkeypatch):
    """The queues of which a lease has looked at each lane."""
    seen, take = [], lanes.Turn.take

    def counted(self, *args):
        seen.append(self._queue)
        return take(self, *args)

    monkeypatch.setattr(lanes.Turn, "take", counted)
    return seen


def put(engine, *costs, **more):
    messages = [Message(id=new_id(), queue="q", cost=cost, body=b"\x80", **more) for cost in costs]
    drive(engine.publish(messages))


def lease(engine, limit=10):
    return drive(engine.lease(Want("w", ["q"], limit))).deliveries


def settle(engine, leased):
    assert all(drive(engine.settle("w", [Settlement(one, Ack()) for one in leased])))


def test_slots_and_a_rate_of_the_whole_queue_need_no_look_at_lanes(opened, clock, turns):
    drive(opened.declare([QueueSpec(name="q", rate=10.0, burst=4.0, concurrency=3)]))
    put(opened, *[1.0] * 9)
    first = lease(opened)
    assert len(first) == 3, "as many as there are slots"
    settle(opened, first)
    assert len(lease(opened)) == 1, "as many as the burst has left"
    clock.advance(0.1)
    assert len(lease(opened)) == 1, "and then one with each step of the rate"
    assert turns == []


@pytest.mark.parametrize("more", [{"lane": "smtp"}, {"cost": 2.0}, {"gate": "other"}])
def test_whatever_else_there_is_in_it_is_looked_at(opened, clock, turns, more):
    drive(opened.declare([QueueSpec(name="q", rate=10.0, burst=2.0)]))
    put(opened, more.get("cost", 1.0), 1.0, 1.0, lane=more.get("lane", ""))
    if "gate" in more:
        drive(opened.close_gate("q", more["gate"]))
    assert len(lease(opened)) == 2 - ("cost" in more)
    assert turns == ["q"]


def test_what_comes_back_to_a_queue_with_slots_goes_before_what_is_new(opened, turns):
    drive(opened.declare([QueueSpec(name="q", concurrency=2)]))
    put(opened, *[1.0] * 4)
    first = lease(opened, 1)
    drive(opened.recover(["w"]))
    drive(opened.extend([Beat(worker="v", lease=1e6)]))
    again = drive(opened.lease(Want("v", ["q"], 10))).deliveries
    assert [one.id for one in again][:1] == [one.id for one in first]
    assert len(again) == 2
    assert turns == []


@pytest.mark.parametrize(("slots", "news"), [(3, False), (2, True)])
def test_who_waits_for_a_slot_is_told_of_it_and_nobody_where_there_was_one(opened, monkeypatch, slots, news):
    drive(opened.declare([QueueSpec(name="q", concurrency=slots)]))
    put(opened, *[1.0] * 2)
    leased, rung = lease(opened), set()
    monkeypatch.setattr(opened._db.signal, "notify", lambda topics=None: rung.update(topics or ()))
    settle(opened, leased)
    assert any(topic.endswith("q") for topic in rung) is news


def test_a_lease_from_many_keys_takes_few_statements(opened):
    drive(opened.declare([QueueSpec(name="q", key_rate=1.0)]))
    for number in range(64):
        put(opened, 1.0, 1.0, key=f"k{number}")
    statements = []
    opened._db.writer._db.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: statements.append(event["sql"]))
    assert len(lease(opened, 50)) == 50
    assert len(statements) < 25
