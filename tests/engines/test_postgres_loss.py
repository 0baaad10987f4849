"""A PostgreSQL that has lost what it held: each supervisor says so once, `doctor` for some days."""

import logging

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat
from forebay.engine.postgres import build, mark
from forebay.engine.postgres.checks import ServerChecks
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.finding import Level
from forebay.model.message import Message

LOST = "has lost messages"


@pytest.fixture
def make():
    """Makes what one process has."""
    settings, made = postgres.empty(), []
    postgres.run("delete from forebay.audit")

    def make(**more):
        made.append(build(postgres.settings(**more) if more else settings, SystemClock()))
        drive(made[-1].open())
        return made[-1]

    yield make
    for engine in made:
        drive(engine.close())


def beat(engine):
    return drive(engine.extend([Beat(worker="w", lease=60)]))


def publish(engine, *ids):
    drive(engine.publish([Message(id=one, queue="q") for one in ids]))


def restored():
    """As an older back-up has it: the same tables, some messages earlier."""
    postgres.run("delete from forebay.message")
    postgres.run("select setval(pg_get_serial_sequence('forebay.message', 'seq'), 1)")


def emptied():
    postgres.run("truncate forebay.message restart identity")


LOSSES = pytest.mark.parametrize("lose", [restored, emptied])


def found():
    return [one for one in ServerChecks(postgres.settings()).examine() if one.check == "loss"]


@LOSSES
def test_a_worker_says_it_once_and_doctor_says_it_afterwards(make, lose, caplog):
    worker, producer = make(), make()
    publish(producer, "a", "b", "c")
    beat(worker)
    assert (LOST in caplog.text, found()) == (False, [])
    lose()
    for _ in range(3):
        assert beat(worker) == [True]
    (told,) = [one for one in caplog.records if LOST in one.message]
    assert told.levelno == logging.ERROR
    assert "publish it again" in told.message
    (finding,) = found()
    assert (finding.level, "newest message was number" in finding.text) == (Level.WARN, True)
    postgres.run("update forebay.audit set at = at - 4 * 86400")
    assert found() == [], "after some days it is over"


def test_the_next_loss_is_told_too(make, caplog):
    worker = make()
    for turn in (1, 2):
        publish(worker, *(f"{turn}{one}" for one in "abc"))
        beat(worker)
        restored()
        beat(worker)
        assert caplog.text.count(LOST) == turn


def test_no_loss_is_told_where_there_was_none(make, caplog):
    worker, producer = make(), make()
    for number in range(5):
        publish(producer, f"m{number}")
        beat(worker)
        postgres.run("delete from forebay.message")
    assert LOST not in caplog.text


@pytest.mark.parametrize(
    ("before", "now", "lost"),
    [
        (None, (1, 5), False), ((1, 5), (1, 5), False), ((1, 5), (1, 6), False), ((1, 5), (1, 4), True),
        ((1, 5), (2, 5), True), ((1, 5), (2, 9), True), ((1, None), (1, None), False), ((1, None), (2, None), True),
        ((1, 5), (1, None), False), ((1, None), (1, 2), False),
    ],
)  # fmt: skip
def test_what_is_a_loss(before, now, lost):
    assert bool(mark.loss(before, now)) == lost
