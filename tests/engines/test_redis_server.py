"""A Redis that is killed, frozen, full, emptied, or set up so that it loses messages: what is promised then."""

import asyncio
import logging
import os
import signal
import time

import pytest

from engines.servers import own_redis
from fleet import Place, until
from forebay import Forebay
from forebay.engine import patience
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.redis import address
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError, EngineFull, EngineUnreachable, OutcomeUnknown
from forebay.model.message import Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, DeadLetter, Settlement, Snooze
from forebay.model.queue import QueueSpec
from forebay.store.records import Choice, Query, Schedule

HOURLY = Schedule(name="hourly", cron="0 * * * *", tz="UTC", message=Message(id="", queue="q"))


@pytest.fixture
def server(tmp_path):
    with own_redis.running(tmp_path) as started:
        yield started


@pytest.fixture
def app(server):
    made = Forebay(server.url)
    made.task(name="t")(lambda: None)
    with made:
        yield made


@pytest.fixture
def hasty(monkeypatch):
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(address, "ANSWER", 0.3)
    monkeypatch.setattr(patience, "DEADLINE", 3.0)
    monkeypatch.setattr(patience, "SHORT", 0.2)


def send(app):
    return app.publish("q", 1)


def published(app):
    return app.queues("q")[0].published


def test_one_that_is_killed_and_started_again_is_found_again(server, app):
    send(app)
    server.kill()
    server.start()
    started = time.monotonic()
    send(app)
    assert time.monotonic() - started < 9
    assert published(app) == 2


def test_while_it_is_away_each_publish_has_an_end(server, app, hasty):
    server.kill()
    for _ in range(3):
        with pytest.raises((EngineUnreachable, OutcomeUnknown)):
            send(app)
    started = time.monotonic()
    with pytest.raises(EngineUnreachable):
        send(app)
    assert time.monotonic() - started < 2.5, "what comes later does not wait as long again"


def test_one_that_takes_words_and_gives_none_leaves_a_publish_unknown(server, hasty):
    with Forebay(server.url) as app:
        send(app)
        with server.frozen(), pytest.raises(OutcomeUnknown) as caught:
            send(app)
        assert len(caught.value.ids) == 1
        app.producer  # noqa: B018 - it goes on being used
        body = Message(id=caught.value.ids[0], queue="q", body=b"\x01")
        drive(app.engine.publish([body]))
        assert published(app) == 2, "published again with its id it is there once"


def test_a_full_one_refuses_new_messages_and_lets_old_ones_end(server):
    backend = build(server.settings(), SystemClock())
    drive(backend.open())
    drive(backend.extend([Beat(worker="w", lease=60)]))
    drive(backend.publish([Message(id=f"m{number}", queue="q") for number in range(4)]))
    with server.client() as client:
        client.config_set("maxmemory", 1)
        for messages in (
            [Message(id="new", queue="q")],
            [Message(id=f"n{n}", queue="q", unique=str(n)) for n in range(9)],
        ):
            with pytest.raises(EngineFull):
                drive(backend.publish(messages))
        assert drive(backend.extend([Beat(worker="w", lease=60)])) == [True]
        a, b, c, d = drive(backend.lease(Want("w", ["q"], 9))).deliveries
        outcomes = [Settlement(a, Ack()), Settlement(b, Ack(b"\xc3")), Settlement(c, Snooze(0.0)), Settlement(d, Ack())]
        assert drive(backend.settle("w", outcomes)) == [True] * 4
        assert drive(backend.depth(["q"]))[0].published == 4
        client.config_set("maxmemory", 0)
    drive(backend.publish([Message(id="new", queue="q")]))
    drive(backend.close())


def held_up(backend):
    """Something of each kind: ready, running, due in a moment, dead, and on its way to another engine."""
    drive(backend.open())
    drive(backend.extend([Beat(worker="w", lease=60)]))
    drive(backend.publish([Message(id=id_, queue="q") for id_ in ("dead", "runs", "ready", "back")]))
    dead, _ = drive(backend.lease(Want("w", ["q"], 2))).deliveries
    drive(backend.settle("w", [Settlement(dead, DeadLetter("no"))]))
    drive(backend.publish([Message(id="due", queue="q", delay=0.05), Message(id="leaves", queue="other")]))


#: What whoever makes room needs, and what a worker does when it starts.
AT_THE_BOUND = {
    "open": lambda one: one.open(),
    "register": lambda one: one.extend([Beat(worker="new", lease=60)]),
    "declare": lambda one: one.declare([QueueSpec(name="q"), QueueSpec(name="new", rate=5.0, key_concurrency=1)]),
    "schedules": lambda one: one.put_schedules([HOURLY]),
    "a tick without a message": lambda one: one.fire("hourly", 0.0, 3600.0, []),
    "a paused schedule": lambda one: one.pause_schedule("hourly", True),
    "a schedule less": lambda one: one.drop_schedules(["hourly"]),
    "pause": lambda one: one.close_gate("new", task="t"),
    "resume": lambda one: one.open_gate("new", task="t"),
    "audit": lambda one: one.note("me", "pause", "new"),
    "meters": lambda one: one.put_meters([Meter(name="m", rate=1.0)]),
    "meters less": lambda one: one.drop_meters(["m"]),
    "watch": lambda one: one.watch(["ready"], 0.0),
    "queues": lambda one: one.depth(),
    "messages": lambda one: one.messages(Query()),
    "latest": lambda one: one.latest(5),
    "redrive": lambda one: one.redrive(Choice(ids=["dead"])),
    "purge": lambda one: one.purge(Choice()),
    "cancel": lambda one: one.cancel(["runs", "ready"]),
    "move": lambda one: one.moves.claim("r", "me", "there"),
    "leave": lambda one: one.moves.depart("r", "me", "other"),
    "come back": lambda one: one.moves.back("r", "me", ["leaves"]),
    "forget": lambda one: one.moves.forget("r", "me"),
    "tidy": lambda one: one.tidy(),
    "lease": lambda one: one.lease(Want("new", ["q"], 9)),
    "recover": lambda one: one.recover(["w"]),
}


def test_a_full_one_lets_in_whoever_makes_room_or_works(server):
    before, backend = (build(server.settings(), SystemClock()) for _ in range(2))
    held_up(before)
    with server.client() as client:
        client.config_set("maxmemory", 1)
        for what, act in AT_THE_BOUND.items():
            try:
                answer = drive(act(backend))
            except EngineFull as error:
                pytest.fail(f"{what}: {error}")
            if what == "redrive":
                assert answer == 1
            if what == "come back":
                assert [one.fate for one in answer] == [Fate.ACCEPTED]
        with pytest.raises(EngineFull):
            drive(backend.publish([Message(id="new", queue="q")]))
        drive(backend.put_schedules([HOURLY]))
        with pytest.raises(EngineFull):
            drive(backend.fire("hourly", 0.0, 3600.0, [Message(id="tick", queue="q")]))
    drive(before.close())
    drive(backend.close())


FULL_APP = """
from forebay import Forebay

app = Forebay()
app.queue("default", key_concurrency=1)

@app.periodic(every=86400)
@app.task
def add(a: int = 1, b: int = 1) -> int:
    return a + b
"""


def test_at_the_bound_a_fleet_starts_works_and_replaces_who_died(server, tmp_path):
    (tmp_path / "full_app.py").write_text(FULL_APP)
    place = Place(tmp_path, tmp_path / "full_app.py", url=server.url)
    handle = place.crew.add.enqueue(1, 2)
    with server.client() as client:
        client.config_set("maxmemory", 1)
    with place.fleet() as fleet:
        assert handle.result(30) == 3
        (first,) = fleet.pids()
        os.kill(first, signal.SIGKILL)
        until(lambda: fleet.pids() - {first}, "its successor")
    place.close()


def test_max_size_bounds_the_memory_that_it_uses(server):
    with Forebay(server.url, max_size=1) as app, pytest.raises(EngineFull, match="max_size"):
        send(app)


def test_one_that_was_emptied_is_noticed_and_said_once(server, app, caplog):
    for _ in range(3):
        send(app)
    with server.client() as client:
        client.flushall()
    with caplog.at_level(logging.ERROR):
        send(app)
        send(app)
    assert [record.message for record in caplog.records if "has lost messages" in record.message] != []
    assert len(caplog.records) == 1


def test_after_a_loss_numbers_of_leases_are_not_given_twice(server):
    backend = build(server.settings(), SystemClock())
    drive(backend.open())
    fences = []
    for _ in range(2):
        drive(backend.extend([Beat(worker="w", lease=60)]))
        drive(backend.publish([Message(id="m", queue="q")]))
        fences += [one.fence for one in drive(backend.lease(Want("w", ["q"], 1))).deliveries]
        with server.client() as client:
            client.flushall()
        drive(backend.close())
        drive(backend.open())
    assert fences[0] < fences[1]
    drive(backend.close())


def test_one_that_evicts_is_refused(server):
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigError, match="noeviction"):
        Forebay(server.url).queues()


def test_one_with_a_newer_schema_is_not_touched(server):
    with server.client() as client:
        client.hset("{forebay}:meta", mapping={"born": "x", "schema": 99})
        with pytest.raises(Exception, match="schema 99"):
            Forebay(server.url).queues()
        assert client.keys() == [b"{forebay}:meta"]


def test_no_password_is_shown(server, caplog):
    with server.client() as client:
        client.config_set("requirepass", "s3cret-word")
    shown = ""
    for user in (":wr0ng-word", "somebody:wr0ng-word"):
        app = Forebay(f"redis://{user}@127.0.0.1:{server.port}/0")
        shown += repr(app) + repr(app.engine._inner._server.address)
        with pytest.raises(EngineUnreachable) as caught:
            app.queues()
        shown += str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)
    with caplog.at_level(logging.DEBUG), Forebay(f"redis://:s3cret-word@127.0.0.1:{server.port}/0") as app:
        send(app)
    shown += caplog.text
    assert "wr0ng" not in shown
    assert "s3cret" not in shown


def test_what_a_crash_may_cost_is_said_at_start(server, caplog):
    for settings, level, says in (
        ({"appendfsync": "always"}, logging.INFO, "may lose nothing"),
        ({"appendfsync": "everysec"}, logging.INFO, "may lose about the last second"),
        ({"appendonly": "no", "save": "60 1"}, logging.WARNING, "may lose everything since its last snapshot"),
        ({"save": ""}, logging.WARNING, "may lose everything (appendonly no"),
    ):
        with server.client() as client:
            for name, value in settings.items():
                client.config_set(name, value)
        caplog.clear()
        with caplog.at_level(logging.INFO), Forebay(server.url) as app:
            send(app)
        assert [record.levelno for record in caplog.records if says in record.message] == [level]


def test_who_is_not_let_in_is_told_what_is_wrong_with_the_password(server):
    def refused(user):
        with pytest.raises(EngineUnreachable) as caught:
            Forebay(f"redis://{user}127.0.0.1:{server.port}/0").queues()
        return str(caught.value)

    assert "does not take this user and password" in refused(":given@"), "there it has none"
    with server.client() as client:
        client.config_set("requirepass", "s3cret")
    assert "asks for a password" in refused("")
    assert "does not take this user and password" in refused(":wrong@")
    assert "does not take this user and password" in refused("nobody:wrong@")


def test_when_memory_is_short_what_has_ended_goes_before_its_time(server):
    backend = build(server.settings(), SystemClock())
    drive(backend.open())
    drive(backend.extend([Beat(worker="w", lease=60)]))
    drive(backend.publish([Message(id=f"m{number}", queue="q") for number in range(200)]))
    drive(
        backend.settle("w", [Settlement(one, Ack()) for one in drive(backend.lease(Want("w", ["q"], 100))).deliveries])
    )
    assert drive(backend.tidy()) == 0
    with server.client() as client:
        client.config_set("maxmemory", int(1.2 * client.info("memory")["used_memory"]))
    assert drive(backend.tidy()) == 10
    assert drive(backend.find(["m0"])) == [None]
    assert drive(backend.depth(["q"]))[0].ready == 100
    drive(backend.close())


def test_what_is_asked_at_once_is_no_loss_in_whatever_order_it_is_answered(server, caplog):
    """A publish to a queue that orders keys is sent a second time, after the lease beside it: its number is higher."""
    engine = build(server.settings(), SystemClock())
    drive(engine.open())
    drive(engine.extend([Beat(worker="w", lease=60)]))
    drive(engine.declare([QueueSpec(name="q", ordered=True)]))

    async def together():
        for number in range(20):
            message = Message(id=f"m{number}", queue="q", key="k")
            await asyncio.gather(engine.publish([message]), engine.lease(Want("w", ["q"], 1)), engine.depth())

    asyncio.run(together())
    assert "has lost messages" not in caplog.text
    with server.client() as client:
        client.flushall()
    drive(engine.publish([Message(id="after", queue="q", key="k")]))
    assert "has lost messages" in caplog.text
    drive(engine.close())


def commands(client):
    """How many the server has carried out, those of scripts as well."""
    return sum(one["calls"] for one in client.info("commandstats").values())


def test_a_lease_from_a_fair_queue_does_not_look_at_all_keys(server):
    """However many wait: what it does is counted in commands."""
    engine, counts = build(server.settings(), SystemClock()), []
    with server.client() as client:
        drive(engine.open())
        drive(engine.extend([Beat(worker="w", lease=60, queues=["q"], concurrency=4)]))
        drive(engine.declare([QueueSpec(name="q", fair=True)]))
        for keys in (60, 3_000):
            messages = [Message(id=f"{keys}-{n}", queue="q", key=f"{keys}-{n}") for n in range(keys)]
            drive(engine.publish(messages))
            before = commands(client)
            leased = drive(engine.lease(Want("w", ["q"], 4))).deliveries
            drive(engine.settle("w", [Settlement(one, Ack(), took=0.01) for one in leased]))
            counts.append(commands(client) - before)
            assert len(leased) == 4
        drive(engine.close())
    assert counts[1] < 1.5 * counts[0], counts
