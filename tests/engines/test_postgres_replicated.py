"""Somebody publishes all tables, for a logical replica or an upgrade: the server asks more of them then."""

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Release, Settlement
from forebay.model.queue import QueueSpec

PUBLICATION = f"all_{postgres.NAMESPACE}"


@pytest.fixture
def engine():
    made = build(postgres.empty(), SystemClock())
    drive(made.open())
    postgres.run(f'create publication {PUBLICATION} for tables in schema "{postgres.NAMESPACE}"')
    yield made
    postgres.run(f"drop publication {PUBLICATION}")
    drive(made.close())


QUEUES = [
    QueueSpec(name="plain"),
    QueueSpec(name="rate", rate=1000.0, burst=1000.0, concurrency=4),
    QueueSpec(name="fair", fair=True, concurrency=4),
    QueueSpec(name="ordered", ordered=True, key_rate=1000.0, key_burst=1000.0),
]


@pytest.mark.parametrize("spec", QUEUES, ids=lambda spec: spec.name)
def test_messages_are_leased_given_back_and_settled_and_numbers_added_up(engine, spec):
    drive(engine.declare([spec]))
    drive(engine.extend([Beat(worker="w", host="h", pid=1, lease=60.0, state="working")]))
    drive(engine.publish([Message(id=new_id(), queue=spec.name, key=f"k{n % 3}", body=b"\x80") for n in range(9)]))
    ended = 0
    for back in (True, *[False] * 20):
        leased = drive(engine.lease(Want(worker="w", queues=[spec.name], limit=3))).deliveries
        outcome = Release() if back else Ack()
        settled = drive(engine.settle("w", [Settlement(one, outcome, took=0.01) for one in leased]))
        assert all(settled)
        ended += 0 if back else len(settled)
    drive(engine.recover())
    drive(engine.tidy())
    assert ended == 9
    assert postgres.run("select count(*) from forebay.delta")[0][0] == 0, "all is added up"
    assert drive(engine.depth([spec.name]))[0].done == 9


def test_each_table_tells_its_rows_apart():
    postgres.empty()
    unable = postgres.run(
        "select c.relname from pg_class c where c.relkind = 'r' and c.relnamespace = to_regnamespace(%s)::oid "
        "and c.relreplident <> 'f' and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)",
        [f'"{postgres.NAMESPACE}"'],
    )
    assert unable == []
