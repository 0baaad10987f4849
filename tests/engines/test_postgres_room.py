"""`max_size` bounds what is there, and not the files that it was in: workers who catch up make room."""

import os

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.postgres import build, publishing
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineFull
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement

BODY = 4_000


@pytest.fixture
def engine(request):
    made = build(postgres.empty(max_size=request.param), SystemClock())
    drive(made.open())
    drive(made.extend([Beat(worker="w", lease=1e6)]))
    yield made
    drive(made.close())


def message():
    return Message(id=new_id(), queue="q", body=os.urandom(BODY))


def until_full(engine):
    for accepted in range(10_000):
        try:
            drive(engine.publish([message()]))
        except EngineFull:
            return accepted
    raise AssertionError("there is always room")


def work_off(engine, count):
    deliveries = drive(engine.lease(Want("w", ["q"], count))).deliveries
    assert len(deliveries) == count
    assert all(drive(engine.settle("w", [Settlement(one, Ack(keep=0)) for one in deliveries])))


@pytest.mark.parametrize("engine", [1_000_000], indirect=True)
def test_once_workers_have_caught_up_there_is_room_whatever_the_files_take(engine, monkeypatch):
    postgres.run("vacuum full forebay.message, forebay.ended")
    first = until_full(engine)
    assert first * BODY <= 1_000_000
    monkeypatch.setattr(publishing, "LOOK", 0.0)
    until_full(engine)  # the files may have been within the limit still; not for long
    n = drive(engine.depth(["q"]))[0].ready
    work_off(engine, n // 2)
    again = until_full(engine)
    assert again > n // 4, "there is room again for about as much as has gone"
    left = drive(engine.depth(["q"]))[0].ready
    assert left * BODY <= 1_100_000, "and for no more than that"
    work_off(engine, left)
    assert drive(engine.publish([message()]))[0].fate is Fate.ACCEPTED


@pytest.mark.parametrize("engine", [0], indirect=True)
def test_what_is_alive_in_large_tables_is_estimated_by_a_few_of_their_pages(engine):
    drive(engine.publish([Message(id=new_id(), queue="q", body=bytes(200)) for _ in range(20_000)]))
    postgres.run("delete from forebay.message where mod(seq, 4) = 0")
    ((bytes_,),) = postgres.run(engine._db.sql["size"].replace("$1", "%s"), (1,))
    assert bytes_ == pytest.approx(15_000 * 600, rel=0.25)
    ((whole,),) = postgres.run(engine._db.sql["size"].replace("$1", "%s"), (10**12,))
    ((files,),) = postgres.run(
        "select pg_total_relation_size('forebay.message') + pg_total_relation_size('forebay.ended')"
    )
    assert whole == files
