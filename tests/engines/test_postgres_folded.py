"""What has moved is added up now and then, also where no worker is: who publishes within a limit adds up the rest."""

import time

import pytest

from engines.servers import postgres
from forebay.engine.postgres import build
from forebay.engine.postgres.backend import FOLD
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec

PATIENCE = 30.0


@pytest.fixture
def engine():
    made = build(postgres.empty(), SystemClock())
    drive(made.open())
    drive(made.declare([QueueSpec(name="q", limit=1_000_000)]))
    yield made
    drive(made.close())


def keyed(count):
    return [Message(id=new_id(), queue="q", key=f"tenant-{n}", body=b"\x80") for n in range(count)]


def test_a_backlog_of_many_keys_leaves_little_to_add_up(engine):
    """However much has come in before, the next publish counts no more than a few batches of it."""
    for _ in range(6):
        drive(engine.publish(keyed(FOLD // 2)))
    until = time.monotonic() + PATIENCE
    while (left := postgres.run("select count(*) from forebay.delta")[0][0]) > FOLD:
        assert time.monotonic() < until, f"{left} are left"
        time.sleep(0.05)
    assert drive(engine.depth(["q"]))[0].ready == 3 * FOLD
