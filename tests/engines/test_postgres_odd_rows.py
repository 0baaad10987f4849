"""What somebody else wrote into the table of messages: it stops nobody else, and is set aside with its cause."""

import pytest
from msgspec.structs import replace

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build
from forebay.engine.postgres.checks import ServerChecks
from forebay.engine.registry import backend, scheme_of
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.model.outcome import Ack, Lose, Settlement
from forebay.model.queue import QueueSpec
from forebay.store.records import Query

MOST = 2**63 - 1
QUEUES = ("plain", "bounded", "ordered", "other")


@pytest.fixture
def engine():
    with postgres.emptied() as settings:
        made = build(settings, SystemClock())
        drive(made.open())
        drive(made.extend([Beat(worker="w", lease=1e6)]))
        drive(
            made.declare(
                [QueueSpec(name="bounded", rate=1e6, key_concurrency=9), QueueSpec(name="ordered", ordered=True)]
            )
        )
        yield made
        drive(made.close())


def publish(engine, queue, **fields):
    message = Message(id=new_id(), queue=queue, body=b"\x80", key="k", **fields)
    drive(engine.publish([message]))
    return message.id


def work(engine):
    """All that can be leased of all queues, acknowledged; their ids."""
    ids = []
    while taken := drive(engine.lease(Want("w", QUEUES, 10))).deliveries:
        assert all(drive(engine.settle("w", [Settlement(one, Ack()) for one in taken])))
        ids += [one.id for one in taken]
    return ids


@pytest.mark.parametrize("queue", QUEUES[:3])
@pytest.mark.parametrize("wrote", [f"attempt = {MOST}", f"fence = {MOST}", f"attempt = {-MOST - 1}, fence = {MOST}"])
def test_a_number_that_cannot_grow_is_of_a_dead_letter_then(engine, queue, wrote):
    odd = publish(engine, queue)
    postgres.run(f"update forebay.message set {wrote}")
    others = [publish(engine, name) for name in QUEUES]
    assert sorted(work(engine)) == sorted(others)
    (dead,) = drive(engine.messages(Query(state=State.DEAD)))
    assert (dead.id, dead.body) == (odd, b"\x80")
    assert dead.cause.startswith("none of ours wrote its row: its ")
    assert [(one.dead, one.ready) for one in drive(engine.depth([queue]))] == [(1, 0)]


def test_such_a_dead_letter_runs_once_it_is_redriven(engine):
    from forebay.store.records import Choice

    odd = publish(engine, "plain")
    postgres.run(f"update forebay.message set attempt = {MOST}, fence = {MOST}, lost = {MOST}")
    assert work(engine) == []
    assert drive(engine.redrive(Choice(ids=[odd]))) == 1
    assert work(engine) == [odd]


def test_a_count_of_losses_at_its_end_stops_no_recovery(engine):
    odd, other = publish(engine, "plain"), publish(engine, "plain")
    postgres.run(f"update forebay.message set lost = {MOST} where id = %s", [odd])
    taken = drive(engine.lease(Want("w", ["plain"], 10))).deliveries
    assert all(drive(engine.settle("w", [Settlement(one, Lose("gone")) for one in taken])))
    found = drive(engine.find([odd, other]))
    assert [one.lost for one in found if one.id == other] == [1]
    assert [one.lost for one in found if one.id == odd] == [MOST]


@pytest.mark.parametrize("queue", QUEUES[:3])
def test_an_id_that_has_ended_already_stops_no_settlement(engine, queue):
    first = publish(engine, queue)
    assert work(engine) == [first]
    twin, other = publish(engine, queue), publish(engine, "other")
    postgres.run("update forebay.message set id = %s where id = %s", [first, twin])
    assert sorted(work(engine)) == sorted([first, other])
    ((target, detail),) = postgres.run("select target, detail from forebay.audit where verb = 'rename'")
    assert target == queue
    assert first in detail
    assert postgres.run("select count(*) from forebay.ended") == [(3,)]


def test_names_too_long_for_an_index_stop_nobody(engine):
    publish(engine, "ordered")
    long = postgres.run("select string_agg(md5(n::text), '') from generate_series(1, 84) as n")[0][
        0
    ]  # hard to compress
    postgres.run("update forebay.message set key = %s", [long[:2680]])
    other = publish(engine, "ordered"), publish(engine, "plain")
    assert sorted(work(engine)) == sorted(other)


@pytest.mark.parametrize("state", [7, -1, 32767])
def test_a_state_that_does_not_exist_is_told_by_name(engine, state):
    odd = publish(engine, "plain")
    postgres.run(f"update forebay.message set state = {state}")
    other = publish(engine, "plain")
    assert work(engine) == [other]
    (found,) = drive(engine.find([odd]))
    assert (found.state, found.cause) == (
        State.PARKED, f"its state is '{state}', which does not exist: none of ours wrote this row",
    )  # fmt: skip
    drive(engine.latest(10))
    found = {one.check: one for one in ServerChecks(postgres.settings()).examine()}
    assert f"'{odd}' has state {state}" in found["rows"].text
    assert drive(engine.cancel([odd])) == [State.CANCELLED]


def test_arrays_may_have_nulls_whatever_is_usual_on_the_server():
    settings = postgres.empty()
    made = build(replace(settings, url=f"{settings.url}?options=-c%20array_nulls%3Doff"), SystemClock())
    drive(made.open())
    try:
        drive(made.extend([Beat(worker="w", lease=1e6)]))
        drive(made.declare([QueueSpec(name="ordered", ordered=True)]))
        ids = [publish(made, name) for name in QUEUES]
        assert sorted(work(made)) == sorted(ids)
    finally:
        drive(made.close())


def test_the_scheme_postgres_is_the_same_as_postgresql():
    settings = postgres.empty()
    whole = replace(settings, url=settings.url.replace("postgresql:", "postgres:"))
    assert scheme_of(whole) == "postgresql"
    made = backend(whole, SystemClock()).engine
    drive(made.open())
    drive(made.publish([Message(id=new_id(), queue="q")]))
    drive(made.close())
    assert postgres.run("select queue from forebay.message") == [("q",)]


@pytest.mark.parametrize("queue", QUEUES[:3])
@pytest.mark.parametrize(("under", "name"), [("null", "nobody"), ("'never was'", "never was")])
def test_what_runs_under_nobody_is_lost_and_runs_again(engine, queue, under, name):
    """In an ordered queue it held its key for ever, and all behind it."""
    stray = publish(engine, queue)
    postgres.run(f"update forebay.message set state = 2, worker = {under}")
    behind = publish(engine, queue)
    assert work(engine) == ([] if queue == "ordered" else [behind])
    told = drive(engine.recover())
    assert (list(told.workers), told.returned, told.quarantined) == ([name], 1, 0)
    assert work(engine) == ([stray, behind] if queue == "ordered" else [stray])
    assert list(drive(engine.recover()).workers) == []
