"""How many slots a queue wants where slots are not what it lacks: on real stores, with their gates and meters."""

from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from engines.servers import redis
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.provider import Place, Provider, Terms, lane_of, meter_of
from forebay.model.queue import QueueSpec
from forebay.observe.scale import bounds, wanted
from forebay.observe.snapshot import take
from forebay.provider.operate import Act, operate
from forebay.provider.steer import change

LANE, METERS = lane_of("smtp", cpu=False), (meter_of("smtp"),)


@contextmanager
def sqlite(folder):
    yield Settings(url=f"sqlite:///{folder}/q.db", durability="normal")


@contextmanager
def a_server(_):
    with redis.empty() as settings:
        yield settings


@pytest.fixture(params=[sqlite, a_server], ids=["sqlite", "redis"])
def store(request, tmp_path):
    """A store that knows a provider, and that a run of queue q takes two seconds."""
    with request.param(tmp_path) as settings:
        store = build(settings, SystemClock())
        drive(store.open())
        row = Provider(name="smtp", terms=Terms(concurrency=3), places=(Place("q", LANE),))
        drive(change(store, "smtp", lambda *_: row))
        drive(store.extend([Beat(worker="w", lease=60.0, queues=("q",), concurrency=4)]))
        publish(store, 1)
        (delivery,) = drive(store.lease(Want("w", ("q",), 1))).deliveries
        drive(store.settle("w", [Settlement(delivery, Ack(), 2.0)]))
        yield store
        drive(store.close())


def publish(store, n, **more):
    ids = iter(range(1_000_000))
    before = drive(store.depth(["q"]))[0].published
    drive(store.publish([Message(id=f"{before + next(ids):032x}", queue="q", **more) for _ in range(n)]))


def answer(store, between=lambda: None):
    """What q wants, with what comes in meanwhile."""
    before = drive(take(store, store))
    between()
    now = drive(take(store, store))
    now = replace(now, tick=before.tick + 1.0)  # whatever that has taken
    bound = drive(bounds(store, drive(store.depth(["q"]))))
    return wanted(before, now, bound, 1.0, ["q"])[0]


def for_it(store, n):
    return lambda: publish(store, n, lane=LANE, meters=METERS)


def test_work_that_may_start_wants_slots(store):
    publish(store, 3)
    found = answer(store, lambda: publish(store, 5))
    assert (found.wanted, found.more, found.bottleneck) == (5 * 2 + 8 * 2, 22, "")


def test_what_waits_for_a_provider_that_is_down_and_what_comes_in_for_it_wants_none(store):
    for_it(store, 20)()
    drive(operate(store, "smtp", Act.OPEN, "me", "it is down"))
    found = answer(store, for_it(store, 30))
    assert (found.wanted, found.more, found.held, found.ready) == (0, 0, 50, 0)
    assert found.bottleneck.startswith("waits for provider ")


def test_beside_it_the_rest_of_the_queue_wants_its_own(store):
    for_it(store, 20)()
    drive(operate(store, "smtp", Act.OPEN, "me"))

    def both():
        for_it(store, 10)()
        publish(store, 2)

    assert answer(store, both).wanted == 2 * 2 + 2 * 2


def test_what_comes_into_a_paused_queue_wants_none(store):
    drive(store.close_gate("q", None, "deploy"))
    found = answer(store, lambda: publish(store, 30))
    assert (found.wanted, found.more, found.bottleneck) == (0, 0, "closed by operator")


def test_a_limit_on_how_many_run_is_the_most_that_is_wanted(store):
    drive(store.declare([QueueSpec(name="q", concurrency=4)]))
    found = answer(store, lambda: publish(store, 100))
    assert (found.wanted, found.more, found.bottleneck) == (4, 0, "concurrency 4")


def test_what_waits_for_a_provider_wants_no_more_than_may_ask_it_whether_or_not_any_does_now(store):
    for_it(store, 200)()
    found = answer(store)
    assert (found.wanted, found.more, found.bottleneck) == (3, 0, "limit of provider smtp")
    drive(store.lease(Want("w", ("q",), 2)))
    found = answer(store)
    assert (found.wanted, found.running, found.bottleneck) == (3, 2, "limit of provider smtp")


def test_keys_that_run_one_at_a_time_want_a_slot_each(store):
    drive(store.declare([QueueSpec(name="q", ordered=True)]))
    for key in "abcde":
        publish(store, 50, key=key)
    drive(store.lease(Want("w", ("q",), 2)))
    found = answer(store)
    assert (found.wanted, found.more, found.bottleneck) == (5, 1, "limit of its keys")
