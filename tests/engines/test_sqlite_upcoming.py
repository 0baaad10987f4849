"""What a worker waits for when time alone changes something: it is not woken for each of many keys, nor for others."""

import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.flow.grant import TOGETHER
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec
from forebay.testing.clock import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def engine(tmp_path, clock):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), clock)
    drive(engine.open())
    drive(engine.declare([QueueSpec(name="keys", key_rate=1.0, key_burst=1.0), QueueSpec(name="plain")]))
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    yield engine
    drive(engine.close())


def started(engine, clock, keys, apart):
    """Of each key one message has started, `apart` seconds after that of the key before, and one waits."""
    for key in range(keys):
        drive(engine.publish([Message(id=new_id(), queue="keys", body=b"\x80", key=f"k{key}") for _ in range(2)]))
        assert len(drive(engine.lease(Want("w", ["keys"], 10))).deliveries) == 1
        clock.advance(apart)


def wait(engine, monkeypatch, queues):
    """How long it would wait at the most."""
    told = []

    async def noted(seen, timeout, topics):
        told.append(timeout)

    monkeypatch.setattr(engine._db, "wait", noted)
    drive(engine.wait(queues, 60.0, 0))
    return told[0]


def test_keys_that_may_go_soon_after_one_another_are_waited_for_together(engine, clock, monkeypatch):
    started(engine, clock, keys=20, apart=0.0004)
    waited = wait(engine, monkeypatch, ["keys"])
    clock.advance(waited)
    assert len(drive(engine.lease(Want("w", ["keys"], 100))).deliveries) == 20
    assert waited <= 1.0 + TOGETHER


def test_a_key_alone_is_waited_for_exactly(engine, clock, monkeypatch):
    started(engine, clock, keys=1, apart=0.25)
    assert wait(engine, monkeypatch, ["keys"]) == pytest.approx(0.75, abs=1e-3)


def test_nobody_is_woken_for_the_keys_of_a_queue_that_he_does_not_serve(engine, clock, monkeypatch):
    started(engine, clock, keys=3, apart=0.1)
    drive(engine.lease(Want("w", ["plain"], 10)))
    assert wait(engine, monkeypatch, ["plain"]) == 60.0
