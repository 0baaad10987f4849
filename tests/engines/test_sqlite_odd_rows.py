"""What somebody else wrote into the tables of lanes, meters and gates, or took out of them: it stops nobody else."""

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.testing import ManualClock

NO_TEXT = "cast(x'ff' as text)"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def opened(tmp_path, clock):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", durability="normal"), clock)
    drive(engine.open())
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    drive(engine.declare([QueueSpec(name="q", rate=100, concurrency=4, key_concurrency=1)]))
    yield engine
    drive(engine.close())


def meddle(tmp_path, statement):
    with apsw.Connection(f"{tmp_path}/q.db") as db:
        db.execute(statement)


def publish(engine, queue="q", **fields):
    drive(engine.publish([Message(id=new_id(), queue=queue, body=b"\x80", **fields)]))


def take(engine, *queues):
    return drive(engine.lease(Want("w", queues or ("q",), 10))).deliveries


@pytest.mark.parametrize(
    "statement",
    [
        f"insert into lane (queue, lane, n, go) values ('q', {NO_TEXT}, 5, 0)",
        f"insert into lane (queue, lane, n, go) values ('q', '|key:' || {NO_TEXT}, 5, -1e10)",
        f"insert into queue (name, limits) values ({NO_TEXT}, (select limits from queue where name = 'q'))",
        f"insert into closed values ('q', 'task:' || {NO_TEXT}, 'operator', '', 0, null)",
        f"insert into closed values ('', 'task:' || {NO_TEXT}, {NO_TEXT}, {NO_TEXT}, 0, null)",
        f"insert into closed values ({NO_TEXT}, '', 'operator', '', 0, null)",
        "update message set cost = 1e-320",
        "update message set cost = -1",
        "update message set cost = 1e300",
        "update meter set rate = -1",
    ],
)
def test_an_odd_row_stops_nobody_else(tmp_path, opened, clock, statement):
    for key in (None, "k", "k"):
        publish(opened, key=key, task="t")
    publish(opened, "other")
    meddle(tmp_path, statement)
    publish(opened, "new")
    publish(opened, key="j")
    came = 0
    for _ in range(6):
        clock.advance(1)
        got = take(opened, "q", "other", "new")
        came += len(got)
        drive(opened.settle("w", [Settlement(one, Ack()) for one in got]))
    assert came == 6
    drive(opened.depth())
    drive(opened.close_gate("", task="t"))
    drive(opened.open_gate("", task="t"))


def test_a_lane_that_is_no_text_is_of_a_dead_letter_then(tmp_path, opened):
    publish(opened)
    publish(opened)
    meddle(tmp_path, f"update message set home = {NO_TEXT} where seq = 1")
    assert len(take(opened)) == 1
    assert drive(opened.depth(["q"]))[0].dead == 1


def test_slots_of_rows_that_somebody_removed_are_free_again(tmp_path, opened):
    drive(opened.put_meters([Meter(name="provider", slots=1)]))
    for key in ("a", "b"):
        publish(opened, key=key, lane="metered", meters=("provider",) if key == "a" else ())
        publish(opened, key=key)
    assert len(take(opened)) == 2
    meddle(tmp_path, "delete from message where state = 2")
    publish(opened, key="c", lane="metered", meters=("provider",))
    assert [one.key for one in take(opened)] == []
    drive(opened.tidy())
    assert [meter.running for meter in drive(opened.meters(["queue:q", "provider"]))] == [0, 0]
    assert sorted(one.key or "" for one in take(opened)) == ["a", "b", "c"]
