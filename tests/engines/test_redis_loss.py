"""A Redis that has lost what it held: each process that uses it says so once, and `doctor` says it for some days."""

import logging
import time

import pytest

from engines.servers import own_redis
from forebay.engine.contract import Beat
from forebay.engine.redis import mark
from forebay.engine.redis.address import Address
from forebay.engine.redis.checks import ServerChecks
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.finding import Level
from forebay.model.message import Message

LOST = "has lost messages"


@pytest.fixture
def server(tmp_path):
    with own_redis.running(tmp_path) as started:
        yield started


@pytest.fixture
def make(server):
    """Makes what one process has."""
    made = []

    def make():
        made.append(build(server.settings(), SystemClock()))
        drive(made[-1].open())
        return made[-1]

    yield make
    for backend in made:
        drive(backend.close())


def beat(backend):
    drive(backend.extend([Beat(worker="w", lease=60)]))


def publish(backend, *ids):
    drive(backend.publish([Message(id=one, queue="q") for one in ids]))


def emptied(client):
    client.flushall()


def fallen_back(client):
    """As a replica has it that lagged: the same server, some messages earlier."""
    client.hset("{forebay}:meta", "seq", 1)


LOSSES = pytest.mark.parametrize("lose", [emptied, fallen_back])


@LOSSES
def test_a_supervisor_that_only_renews_leases_says_it_when_a_producer_was_the_first_to_find_it(
    server, make, lose, caplog
):
    supervisor, producer = make(), make()
    publish(producer, "a", "b", "c")
    beat(supervisor)
    with server.client() as client:
        lose(client)
    publish(producer, "d")  # it finds that, and sets the numbers right
    drive(producer.close())
    drive(producer.open())
    before = caplog.text.count(LOST)
    for _ in range(3):
        beat(supervisor)
    assert (before, caplog.text.count(LOST)) == (1, 2), "each process once"


@LOSSES
def test_a_supervisor_says_it_when_nobody_publishes(server, make, lose, caplog):
    supervisor = make()
    publish(supervisor, "a", "b", "c")
    beat(supervisor)
    with server.client() as client:
        lose(client)
    for _ in range(3):
        beat(supervisor)
    assert caplog.text.count(LOST) == 1


def test_no_loss_is_told_where_there_was_none(make, caplog):
    supervisor, producer = make(), make()
    for number in range(5):
        publish(producer, f"m{number}")
        beat(supervisor)
    assert LOST not in caplog.text


@LOSSES
def test_one_that_has_told_it_tells_the_next_one_too(server, make, lose, caplog, monkeypatch):
    monkeypatch.setattr(mark, "QUIET", 0.0)
    supervisor = make()
    for turn in (1, 2):
        publish(supervisor, *(f"{turn}{one}" for one in "abc"))
        beat(supervisor)
        with server.client() as client:
            lose(client)
        beat(supervisor)
        drive(supervisor.close())
        drive(supervisor.open())
        assert caplog.text.count(LOST) >= turn


@LOSSES
def test_doctor_tells_it_afterwards(server, make, lose):
    producer = make()
    assert found(server) == []
    publish(producer, "a", "b", "c")
    with server.client() as client:
        lose(client)
    publish(producer, "d")
    drive(producer.close())
    drive(producer.open())
    (finding,) = found(server)
    assert finding.level is Level.WARN
    assert "lost messages that it had accepted: its newest was number 3 before" in finding.text
    with server.client() as client:
        client.hset("{forebay}:meta", "fell", f"{time.time():.3f} 0 0")
        assert found(server)[0].text.endswith("accepted: it was emptied")
        client.hset("{forebay}:meta", "fell", "1000000 3 1")
        assert found(server) == [], "after some days it is over"
        client.hset("{forebay}:meta", "fell", b"\xff nonsense")
        assert found(server) == []


def found(server):
    """What doctor says about it."""
    return [one for one in ServerChecks(Address(server.settings())).examine() if one.check == "loss"]


def test_the_log_says_it_as_an_error(server, make, caplog):
    supervisor = make()
    publish(supervisor, "a")
    beat(supervisor)
    with server.client() as client:
        client.flushall()
    beat(supervisor)
    assert [one.levelno for one in caplog.records if LOST in one.message] == [logging.ERROR]


@pytest.mark.parametrize("published", [[], ["a", "b"]], ids=["nothing published yet", "some published"])
def test_a_worker_that_was_there_before_is_told_to_start_anew_for_what_it_put_there_is_gone(server, make, published):
    """Its schedules, above all: only a process that starts puts them there."""
    supervisor = make()
    publish(supervisor, *published)

    def extend(worker):
        return drive(supervisor.extend([Beat(worker=worker, lease=60)]))

    assert (extend("w"), extend("w")) == ([True], [True])
    with server.client() as client:
        client.flushall()
    assert extend("w") == [False]
    assert (extend("another"), extend("another")) == ([True], [True])
