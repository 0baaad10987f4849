"""A lease over many queues that bound something looks into those in which something waits, and locks no others."""

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres.backend import Postgres
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec

NAMES = [f"q{number}" for number in range(60)]


@pytest.fixture
def engine():
    one = Postgres(postgres.empty(), SystemClock())
    drive(one.open())
    drive(one.extend([Beat(worker="w", lease=1e6)]))
    drive(one.declare([QueueSpec(name=name, concurrency=10) for name in NAMES]))
    yield one
    drive(one.close())


def test_queues_in_which_nothing_waits_are_neither_locked_nor_looked_at(engine):
    drive(engine.publish([Message(id=new_id(), queue=name, body=b"\x80") for name in ("q7", "q41")]))
    name = f'"{postgres.NAMESPACE}"'
    with postgres.connect() as holder:
        holder.execute(f"select {name}.lock_all(array['q8', 'q40'])")
        leased = drive(engine.lease(Want("w", NAMES, 10))).deliveries
    assert sorted(one.queue for one in leased) == ["q41", "q7"]
    with postgres.connect() as db:
        astir = db.execute(f"select {name}.astir(%s)", [NAMES]).fetchone()[0]
    assert astir == [], "what was taken leaves nothing to look at"
