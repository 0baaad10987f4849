"""A lease begins where nothing is left behind, so that an old snapshot costs nothing; what is behind is found."""

import time
from types import SimpleNamespace

import psycopg
import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build, floors
from forebay.engine.postgres.floors import Floors
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.delivery import Delivery
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(floors, "LAG", -1.0)


@pytest.fixture
def engine():
    made = build(postgres.empty(), SystemClock())
    drive(made.open())
    drive(made.extend([Beat(worker="w", lease=1e6)]))
    yield made
    drive(made.close())


def took(number):
    return Delivery(receipt=number, id=f"m{number}", queue="q", task="", body=b"", fence=1, attempt=1)


def pass_on(engine, times):
    for _ in range(times):
        drive(engine.publish([Message(id=new_id(), queue="q")]))
        leased = drive(engine.lease(Want("w", ["q"], 10))).deliveries
        drive(engine.settle("w", [Settlement(delivery, Ack(keep=0)) for delivery in leased]))


def floor_after_passing(engine):
    """The floor of the queue, once it is known: whatever else runs on this server may hold it back for a while."""
    for _ in range(2_000):
        pass_on(engine, 1)
        if known := engine._leasing._floors.known(["q"]):
            (floor,) = known.values()
            return floor
    raise AssertionError("no floor follows")


def test_a_floor_follows_when_all_have_ended_that_may_bring_a_lower_number(at_once):
    made = Floors()
    made.saw([took(7), took(9)], begun=100, ended=90)
    assert made.known(["q"]) == {}
    made.saw([], begun=103, ended=99)
    made.saw([], begun=110, ended=102)
    assert made.known(["q"]) == {}
    made.saw([took(10)], begun=110, ended=103)
    assert made.known(["q"]) == {}, "that lease may have looked before they had ended"
    made.saw([took(8)], begun=111, ended=104)
    assert made.known(["q"]) == {}, "it may have left more of what they brought"
    made.saw([took(11)], begun=112, ended=105)
    assert made.known(["q"]) == {"q 0 ": 10}
    assert made.known(["other"]) == {}


def test_it_waits_a_moment_for_those_who_have_a_number_and_have_not_begun():
    made = Floors()
    for begun in range(100, 110):
        made.saw([took(begun)], begun=begun, ended=begun)
    assert made.known(["q"]) == {}


def test_now_and_then_a_lease_begins_at_the_front_until_nothing_is_left_there(at_once, monkeypatch):
    now = 0.0
    monkeypatch.setattr(floors, "time", SimpleNamespace(monotonic=lambda: now))
    made = Floors()
    for number, begun in ((9, 100), (10, 101), (11, 102), (12, 103)):
        made.known(["q"])
        made.saw([took(number)], begun=begun, ended=begun)
    assert made.known(["q"]) == {"q 0 ": 10}
    now = floors.FORGET + 1.0
    assert made.known(["q"]) == {}
    made.saw([took(4), took(13)], begun=104, ended=104)
    assert made.known(["other"]) == {}
    assert made.known(["q"]) == {}, "more may be there"
    made.saw([took(14)], begun=105, ended=105)
    (floor,) = made.known(["q"]).values()
    assert floor >= 10, "it need not be found anew"


def test_what_a_long_transaction_brings_is_leased_though_all_after_it_was(engine, at_once):
    pass_on(
        engine, 1
    )  # the first message of a queue makes it known, and whoever does so in a transaction is waited for
    with psycopg.connect(postgres.needed("postgres")) as db:
        text = f"select \"{postgres.NAMESPACE}\".publish_one('slow', '', 'q')"
        assert db.execute(text).fetchone() == (True,)
        pass_on(engine, 6)
        db.commit()
    assert [delivery.id for delivery in drive(engine.lease(Want("w", ["q"], 10))).deliveries] == ["slow"]


@pytest.mark.parametrize("before", [3, 4, 5])  # a floor follows in so many steps
def test_what_a_long_transaction_brings_is_leased_first_however_few_are_taken_at_a_time(engine, at_once, before):
    pass_on(engine, before)
    with psycopg.connect(postgres.needed("postgres")) as db:
        for name in ("slow0", "slow1", "slow2"):
            db.execute(f"select \"{postgres.NAMESPACE}\".publish_one('{name}', '', 'q')")
        pass_on(engine, 6)
        drive(engine.publish([Message(id=f"after{number}", queue="q") for number in range(5)]))
        db.commit()
    taken = [one.id for _ in range(8) for one in drive(engine.lease(Want("w", ["q"], 1))).deliveries]
    assert taken == ["slow0", "slow1", "slow2", *(f"after{number}" for number in range(5))]


def test_what_comes_back_is_leased_though_its_number_is_low(engine, at_once):
    drive(engine.publish([Message(id="old", queue="q")]))
    drive(engine.extend([Beat(worker="lost", lease=1e6)]))
    assert len(drive(engine.lease(Want("lost", ["q"], 1))).deliveries) == 1
    assert floor_after_passing(engine)
    drive(engine.recover(["lost"]))
    assert [delivery.id for delivery in drive(engine.lease(Want("w", ["q"], 10))).deliveries] == ["old"]


def test_floors_are_found_anew_now_and_then(engine, at_once, monkeypatch):
    floor = floor_after_passing(engine)
    postgres.run(
        "insert into forebay.message (seq, id, queue, state, created, body) overriding system value "
        "values (%s, 'behind', 'q', 1, %s, '')",
        (floor - 1, time.time()),
    )
    assert drive(engine.lease(Want("w", ["q"], 10))).deliveries == []
    monkeypatch.setattr(floors, "FORGET", 0.0)
    assert [delivery.id for delivery in drive(engine.lease(Want("w", ["q"], 10))).deliveries] == ["behind"]
