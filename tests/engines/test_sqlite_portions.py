"""A queue of many keys beside another one on a SQLite file: no lease is long, and nothing waits for the next one."""

import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.flow.portion import LANES
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.testing.clock import ManualClock

KEYS = 3 * LANES


@pytest.fixture
def engine(tmp_path):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), ManualClock())
    drive(engine.open())
    drive(engine.declare([QueueSpec(name="keys", key_rate=0.5, key_burst=1.0), QueueSpec(name="plain")]))
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    of_keys = [Message(id=new_id(), queue="keys", body=b"\x80", key=f"k{key}") for key in range(KEYS)]
    drive(engine.publish([*of_keys, Message(id="other", queue="plain", body=b"\x80")]))
    yield engine
    drive(engine.close())


def leased(engine, queues):
    return drive(engine.lease(Want("w", queues, 1_000)))


def test_a_lease_takes_few_lanes_beside_another_queue_which_gives_all_it_has(engine):
    got = leased(engine, ["keys", "plain"]).deliveries
    assert sum(one.queue == "keys" for one in got) == LANES
    assert "other" in {one.id for one in got}


def test_whoever_got_fewer_than_there_are_does_not_wait_for_the_others(engine):
    got = leased(engine, ["keys", "plain"])
    # it returns at once: the timeout is longer than any test may take
    drive(engine.wait(["keys", "plain"], 3_600.0, got.news))


def test_leases_one_after_another_give_all_keys(engine):
    keys = set()
    for _ in range(4):
        got = leased(engine, ["keys", "plain"]).deliveries
        drive(engine.settle("w", [Settlement(one, Ack(), took=0.001) for one in got]))
        keys |= {one.key for one in got if one.queue == "keys"}
    assert len(keys) == KEYS


def test_a_worker_of_that_queue_alone_has_all_lanes_in_one_lease(engine):
    assert len(leased(engine, ["keys"]).deliveries) == KEYS


def test_lanes_of_several_queues_share_what_a_lease_may_look_at(engine):
    drive(engine.declare([QueueSpec(name="more", key_rate=0.5, key_burst=1.0)]))
    drive(engine.publish([Message(id=new_id(), queue="more", body=b"\x80", key=f"k{key}") for key in range(KEYS)]))
    got = leased(engine, ["keys", "more", "plain"]).deliveries
    some = [sum(one.queue == queue for one in got) for queue in ("keys", "more")]
    assert sum(some) == LANES
    assert min(some) > 0
