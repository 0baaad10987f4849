"""Bounds of queues while many lease at the same time, each with connections of its own, and operators change things."""

import random
import threading
import time
from collections import Counter
from contextlib import contextmanager

import psycopg

from engines.servers import postgres
from engines.servers.found import needed
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build
from forebay.engine.postgres.bells import TAKEN
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.message import Failure, Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Park, Retry, Settlement
from forebay.model.queue import QueueSpec

PATIENCE = 60.0
LEASERS, MESSAGES, KEYS = 4, 240, 6
BOOM = Failure("ValueError", "boom")


@contextmanager
def opened(settings):
    engine = build(settings, SystemClock())
    drive(engine.open())
    try:
        yield engine
    finally:
        drive(engine.close())


class Watch:
    """What runs, as those see it who run it: less than the store thinks, never more."""

    def __init__(self):
        self._lock = threading.Lock()
        self.running, self.most, self.done = Counter(), Counter(), []

    def begins(self, delivery):
        with self._lock:
            for about in (delivery.queue, (delivery.queue, delivery.key)):
                self.running[about] += 1
                self.most[about] = max(self.most[about], self.running[about])

    def ends(self, delivery, outcome):
        with self._lock:
            self.running[delivery.queue] -= 1
            self.running[delivery.queue, delivery.key] -= 1
            if isinstance(outcome, Ack):
                self.done.append(delivery)


def work(engine, name, watch, queues):
    """Lease, hold a moment, settle; some are tried again."""
    drive(engine.extend([Beat(worker=name, lease=1e9)]))
    chance, until = random.Random(name), time.monotonic() + PATIENCE
    while len(watch.done) < MESSAGES and time.monotonic() < until:
        leased = drive(engine.lease(Want(name, queues, chance.choice([1, 3, 20]))))
        for delivery in leased.deliveries:
            watch.begins(delivery)
        time.sleep(chance.random() * 0.004)
        settlements = []
        for one in leased.deliveries:
            again = one.attempt < 3 and chance.random() < 0.2
            settlements.append(Settlement(one, Retry(chance.choice([0.0, 0.01]), BOOM) if again else Ack()))
            watch.ends(one, settlements[-1].outcome)
        if settlements:
            assert all(drive(engine.settle(name, settlements)))
        else:
            drive(engine.wait(queues, 0.05, leased.news))


def steer(engine, watch):
    """What operators and deploys do meanwhile."""
    while len(watch.done) < MESSAGES:
        drive(engine.close_gate("bound", task="slow", reason="deploy"))
        drive(engine.declare([QueueSpec(name="ordered", ordered=True, rate=100_000)]))
        drive(engine.put_meters([Meter(name="task:bound:quick", slots=2, generation=0)]))
        drive(engine.depth())
        drive(engine.open_gate("bound", task="slow"))
        drive(engine.declare([QueueSpec(name="ordered", ordered=True)]))
        drive(engine.drop_meters(["task:bound:quick"]))
        drive(engine.tidy())


def deadlocks():
    return postgres.run("select deadlocks from pg_stat_database where datname = current_database()")[0][0]


def test_many_at_the_same_time_keep_slots_and_order_and_never_wait_in_a_circle():
    settings, watch, before, errors = postgres.empty(durability="normal"), Watch(), deadlocks(), []

    def run(act, *args):
        try:
            with opened(settings) as engine:
                act(engine, *args)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    with opened(settings) as engine:
        drive(engine.declare([QueueSpec(name="bound", concurrency=4, key_concurrency=2)]))
        drive(engine.declare([QueueSpec(name="ordered", ordered=True)]))
        queues = ["bound", "ordered", "plain"]
        threads = [threading.Thread(target=run, args=(work, f"w{n}", watch, queues[n % 2 :])) for n in range(LEASERS)]
        threads.append(threading.Thread(target=run, args=(steer, watch)))
        for thread in threads:
            thread.start()
        for n in range(MESSAGES):
            task = ("slow", "quick")[n % 2]
            drive(engine.publish([Message(id=f"{n:032x}", queue=queues[n % 3], key=f"k{n % KEYS}", task=task)]))
        for thread in threads:
            thread.join(PATIENCE)
        assert errors == []
        left = drive(engine.depth())
    assert len(watch.done) == MESSAGES
    assert 1 < watch.most["bound"] <= 4
    assert max(watch.most["bound", f"k{n}"] for n in range(KEYS)) <= 2
    assert max(watch.most["ordered", f"k{n}"] for n in range(KEYS)) == 1
    for key in {one.key for one in watch.done}:
        numbers = [one.id for one in watch.done if (one.queue, one.key) == ("ordered", key)]
        assert numbers == sorted(numbers)
    assert [(depth.ready, depth.running, depth.lanes) for depth in left] == [(0, 0, ())] * 3
    assert deadlocks() == before


def test_a_program_that_is_frozen_in_a_transaction_holds_up_no_lease_from_a_bounded_queue():
    """What takes the lock of a queue is one statement by itself: a lease among others takes from no such queue."""
    with opened(postgres.empty(durability="normal")) as engine:
        drive(engine.declare([QueueSpec(name="q", concurrency=5)]))
        drive(engine.publish([Message(id=f"{n:032x}", queue="q") for n in range(20)]))
        drive(engine.extend([Beat(worker=name, lease=1e9) for name in ("w", "frozen")]))
        with psycopg.connect(needed("postgres")) as frozen:
            text = f"select id from \"{postgres.NAMESPACE}\".lease('frozen', array['q'], 5, alone_ => false)"
            assert frozen.execute(text).fetchall() == [(None,)]
            assert len(drive(engine.lease(Want("w", ["q"], 10))).deliveries) == 5


def test_a_slot_that_comes_back_with_its_lane_shut_goes_to_nobody_who_had_looked_before():
    """A provider that says when it may be asked again is asked by nobody before, also not by a lease under way."""
    settings = postgres.empty(durability="normal")
    with opened(settings) as engine, opened(settings) as other:
        drive(engine.put_meters([Meter(name="provider:p", slots=1)]))
        drive(engine.publish([Message(id=f"{n:032x}", queue="q", lane="p", meters=("provider:p",)) for n in range(2)]))
        drive(engine.extend([Beat(worker=name, lease=1e9) for name in ("w", "late")]))
        leased = drive(engine.lease(Want("w", ["q"], 5)))
        (first,) = leased.deliveries
        late = []
        thread = threading.Thread(target=lambda: late.append(drive(other.lease(Want("late", ["q"], 5)))))
        with postgres.connect() as db:  # it has looked at the gates when it comes here, and counts what runs after that
            db.execute(f'lock table "{postgres.NAMESPACE}".refund in access exclusive mode')
            thread.start()
            until = time.monotonic() + PATIENCE
            while not postgres.run(
                "select 1 from pg_locks where not granted and relation = 'forebay.refund'::regclass"
            ):
                assert time.monotonic() < until
                time.sleep(0.01)
            outcome = Park("p", "429", until=leased.now + 60)
            assert drive(engine.settle("w", [Settlement(first, outcome, took=1.0)])) == [True]
        thread.join(PATIENCE)
        assert [one.deliveries for one in late] == [[]]
        assert [one.running for one in drive(engine.meters(["provider:p"]))] == [0]
        drive(engine.open_gate("q", "p", "throttle"))
        assert len(drive(engine.lease(Want("late", ["q"], 5))).deliveries) == 1


LOOK = """explain (analyze, buffers, format json) select * from forebay.heads(forebay.told('q', 2e9), '{}', 16, 2e9)"""


def pages(db):
    """How many a look at the queue reads; the catalogue is read too, by the first one and after changes of others."""
    found = []
    for _ in range(6):
        ((plan,),) = db.execute(LOOK.replace("forebay.", f'"{postgres.NAMESPACE}".')).fetchone()
        found.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
    return min(found)


def test_a_look_at_a_fair_queue_does_not_read_all_its_lanes():
    with opened(postgres.empty()) as engine, psycopg.connect(needed("postgres"), autocommit=True) as db:
        drive(engine.declare([QueueSpec(name="q", fair=True)]))
        read = []
        for lanes in (100, 40_000):
            db.execute(
                f"""insert into "{postgres.NAMESPACE}".apart (queue, lane, key, go)
                select 'q', '|key:' || n, n, -1 from generate_series(1, %s) as n on conflict do nothing""",
                [lanes],
            )
            db.execute(f'analyze "{postgres.NAMESPACE}".apart')
            read.append(pages(db))
    assert read[1] < read[0] + 200, read  # all lanes are some 500 pages


class Waiting(threading.Thread):
    """One who waits for news of a queue, and when it came."""

    def __init__(self, engine, since):
        super().__init__(daemon=True)
        self.engine, self.since, self.woken = engine, since, None
        self.start()
        until = time.monotonic() + PATIENCE
        while not engine._db.signal.awaited(QUEUE + "q") and time.monotonic() < until:
            time.sleep(0.001)

    def run(self):
        drive(self.engine.wait(["q"], PATIENCE, self.since))
        self.woken = time.monotonic()


@contextmanager
def two_with_one_slot():
    """Two engines and a queue of one slot, of which nothing is to be told any more."""
    settings = postgres.empty(durability="normal", poll=PATIENCE)
    with opened(settings) as here, psycopg.connect(needed("postgres"), autocommit=True) as ear:
        ear.execute(f'listen "{here._db.address.channel}"')
        drive(here.declare([QueueSpec(name="q", concurrency=1)]))
        drive(here.publish([Message(id=f"{n:032x}", queue="q") for n in range(9)]))
        drive(here.publish([Message(id="last", queue="last")]))
        assert any(QUEUE + "last" in news.payload.split("\n") for news in ear.notifies(timeout=PATIENCE))
        with opened(settings) as elsewhere:
            for name, engine in (("here", here), ("elsewhere", elsewhere)):
                drive(engine.extend([Beat(worker=name, lease=1e9)]))
                drive(engine.wait(["q"], 0.01, 0))  # from now on it hears
            yield here, elsewhere


def test_who_has_made_a_slot_free_and_waits_for_one_looks_before_those_elsewhere():
    """They look one after another: behind all that find nothing, who works would wait after each message."""
    with two_with_one_slot() as (here, elsewhere):
        for _ in range(3):
            (one,) = drive(here.lease(Want("here", ["q"], 1))).deliveries
            there = drive(elsewhere.lease(Want("elsewhere", ["q"], 1)))
            assert there.deliveries == []
            mine, theirs = Waiting(here, drive(here.lease(Want("here", ["q"], 1))).news), Waiting(elsewhere, there.news)
            settled = time.monotonic()
            assert drive(here.settle("here", [Settlement(one, Ack())])) == [True]
            mine.join(PATIENCE / 2)
            theirs.join(PATIENCE / 2)
            assert theirs.woken - settled >= TAKEN  # and they do look: a slot may be left


def test_where_nobody_waits_for_it_a_free_slot_is_told_at_once():
    with two_with_one_slot() as (here, elsewhere):
        (one,) = drive(here.lease(Want("here", ["q"], 1))).deliveries
        theirs = Waiting(elsewhere, drive(elsewhere.lease(Want("elsewhere", ["q"], 1))).news)
        assert drive(here.settle("here", [Settlement(one, Ack())])) == [True]
        theirs.join(PATIENCE / 2)
        assert not theirs.is_alive()
