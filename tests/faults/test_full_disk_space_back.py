"""The file's size comes back after a backlog, in small steps beside the work."""

import os

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import Sqlite
from forebay.engine.sqlite.shrinking import STEP, STEPS
from forebay.engine.waiting import drive
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.testing.clock import ManualClock

BACKLOG = 12_000


def backlog(tmp_path):
    """An engine whose file holds a backlog of about 25 MB."""
    clock = ManualClock()
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path / 'f.db'}", durability="normal"), clock)
    drive(engine.open())
    drive(engine.extend([Beat(worker="w", lease=1e9)]))
    for _ in range(0, BACKLOG, 1000):
        drive(engine.publish([Message(id=os.urandom(16).hex(), queue="q", body=bytes(1600)) for _ in range(1000)]))
    return engine, clock


def drain(engine, keep):
    while held := drive(engine.lease(Want("w", ["q"], 1000))).deliveries:
        drive(engine.settle("w", [Settlement(one, Ack(keep=keep)) for one in held]))


def size(tmp_path):
    return (tmp_path / "f.db").stat().st_size


def pages(engine):
    return int(engine._db.read("pragma page_count")[0][0])


def test_the_keepers_tidying_gives_a_drained_backlog_back_to_the_disk(tmp_path):
    engine, clock = backlog(tmp_path)
    drive(engine.close())
    full = size(tmp_path)
    drive(engine.open())
    drain(engine, keep=60.0)
    clock.advance(61)
    while drive(engine.tidy()):  # the ends are past their retention
        pass
    drive(engine.tidy())
    drive(engine.close())
    print(f"{full / 1e6:.1f} MB with {BACKLOG:,} messages, {size(tmp_path) / 1e6:.1f} MB when they were gone")
    assert full > 20e6
    assert size(tmp_path) < full / 2
    assert size(tmp_path) < 10e6  # what stays is slack for the next one


def test_one_round_gives_back_a_bounded_number_of_pages_and_what_waits_goes_on(tmp_path):
    engine, _ = backlog(tmp_path)
    drain(engine, keep=0)
    drive(engine.publish([Message(id="0" * 32, queue="q")]))
    before = pages(engine)
    drive(engine.tidy())
    given = before - pages(engine)
    assert 0 < given <= STEP * STEPS
    assert [one.id for one in drive(engine.lease(Want("w", ["q"], 9))).deliveries] == ["0" * 32]
    drive(engine.close())


def test_a_small_file_is_left_alone(tmp_path):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path / 'f.db'}"), ManualClock())
    drive(engine.open())
    before = pages(engine)
    drive(engine.tidy())
    assert pages(engine) == before
    drive(engine.close())
