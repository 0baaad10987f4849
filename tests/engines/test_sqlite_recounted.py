"""What runs is counted anew now and then, for somebody else may have removed rows that had slots: by one for all."""

import sqlite3
from contextlib import ExitStack, closing

import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.limits import RECOUNT
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec
from forebay.testing.clock import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def engines(tmp_path, clock):
    """Three that have the same file open, as three processes have."""
    with ExitStack() as stack:
        found = [Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), clock) for _ in range(3)]
        for engine in found:
            drive(engine.open())
            stack.callback(lambda engine=engine: drive(engine.close()))
        drive(found[0].declare([QueueSpec(name="q", key_concurrency=1)]))
        drive(found[0].extend([Beat(worker="w", lease=1e6)]))
        yield found


def taken(engine):
    return len(drive(engine.lease(Want("w", ["q"], 10))).deliveries)


def lose(file):
    """Somebody removes the row of what runs."""
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("delete from message where state = 2")


def test_slots_whose_messages_somebody_removed_are_free_again_within_seconds(tmp_path, engines, clock):
    """However many tidy, as all do whom a full queue refuses, what runs is not counted by each of them."""
    (first, *others), file = engines, tmp_path / "q.db"
    drive(first.publish([Message(id=new_id(), queue="q", key="k", body=b"\x80") for _ in range(5)]))
    assert [taken(first), taken(first)] == [1, 0]
    lose(file)
    drive(others[0].tidy())
    assert taken(first) == 1
    lose(file)
    for engine in others:
        drive(engine.tidy())
    assert taken(first) == 0, "it was counted just now"
    clock.advance(RECOUNT)
    drive(others[1].tidy())
    assert taken(first) == 1
    lose(file)
    clock.wall -= 3600
    drive(others[0].tidy())
    assert taken(first) == 1, "a date that was set back puts it off"
