"""Connections break, servers stop and fall silent; what was accepted is there once, and everybody goes on."""

import asyncio
import concurrent.futures
import threading
import time
from urllib.parse import urlsplit

import msgspec
import pytest
from psycopg import errors as pg

from engines.servers import postgres
from engines.servers.proxy import Proxy
from forebay.engine import patience
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.postgres import build, wire
from forebay.engine.postgres.checks import ServerChecks
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineUnreachable, OutcomeUnknown
from forebay.model.ids import new_id
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, DeadLetter, Retry, Settlement


@pytest.fixture
def proxy():
    settings = postgres.empty()
    where = urlsplit(settings.url)
    made = Proxy(where.hostname, where.port)
    yield made
    made.close()


@pytest.fixture
def engine(proxy):
    settings = postgres.settings()
    where = urlsplit(settings.url)
    url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}").geturl()
    made = build(msgspec.structs.replace(settings, url=url), SystemClock())
    drive(made.open())
    drive(made.extend([Beat(worker="w", lease=1e6)]))
    yield made
    proxy.mode = "pass"
    drive(made.close())


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(patience, "DEADLINE", 1.0)


def publish(engine, *names):
    return drive(engine.publish([Message(id=name, queue="q") for name in names]))


def lease(engine, limit=10):
    return drive(engine.lease(Want("w", ["q"], limit))).deliveries


def carry_out(engine, operation):
    async def ask():
        return await engine._db.worker.submit(operation)

    return drive(ask())


def settle(engine, outcome, *deliveries):
    return drive(engine.settle("w", [Settlement(delivery, outcome) for delivery in deliveries]))


def test_a_torn_connection_is_made_again_below_every_verb(engine, proxy):
    for number in range(5):
        proxy.cut()
        assert publish(engine, f"m{number}")[0].fate is Fate.ACCEPTED
        proxy.cut()
        (delivery,) = lease(engine)
        proxy.cut()
        assert settle(engine, Ack(), delivery) == [True]
        proxy.cut()
        assert drive(engine.find([f"m{number}"]))[0].state == "done"


def test_a_publish_whose_answer_is_lost_is_accepted_once(engine, proxy):
    publish(engine, "before")
    proxy.tear = b""
    assert [receipt.fate for receipt in publish(engine, "a", "b", "a")] == [
        Fate.ACCEPTED,
        Fate.ACCEPTED,
        Fate.DUPLICATE,
    ]
    assert proxy.tear is None
    assert [delivery.id for delivery in lease(engine)] == ["before", "a", "b"]


def test_a_lease_whose_answer_is_lost_is_answered_again(engine, proxy):
    publish(engine, "a", "b")
    assert len(lease(engine, 1)) == 1
    proxy.tear = b""
    (delivery,) = lease(engine)
    assert (proxy.tear, delivery.id, delivery.attempt, delivery.fence) == (None, "b", 1, 1)
    assert lease(engine) == []


def test_a_lease_that_nobody_could_answer_in_time_is_answered_by_the_next(engine, proxy, impatient):
    publish(engine, "a")
    lease(engine, 0)
    proxy.mode = "mute"
    with pytest.raises(OutcomeUnknown, match="nothing is done twice") as unknown:
        lease(engine)
    assert "publish" not in str(unknown.value)
    proxy.mode = "pass"
    proxy.cut()
    assert [(delivery.id, delivery.attempt) for delivery in lease(engine)] == [("a", 1)]
    assert lease(engine) == []


@pytest.mark.parametrize("outcome", [Ack(), Ack(keep=0), Retry(60, Failure("E", "x"))])
def test_a_settle_whose_answer_is_lost_is_true(engine, proxy, outcome):
    publish(engine, "a", "b")
    deliveries = lease(engine)
    lease(engine, 0)
    proxy.tear = b"" if isinstance(outcome, Ack) else b"COMMIT"
    assert settle(engine, outcome, *deliveries) == [True, True]
    assert proxy.tear is None
    assert drive(engine.depth(["q"]))[0].running == 0
    assert settle(engine, outcome, *deliveries) == [False, False]


@pytest.mark.parametrize("over", [False, True], ids=["still leased", "lease over"])
def test_what_was_settled_is_said_to_be_though_whoever_asked_had_given_up(engine, proxy, impatient, over):
    publish(engine, "good", "bad", "elsewhere")
    good, bad, third = lease(engine)
    ends = [Settlement(good, Ack()), Settlement(bad, DeadLetter("bug"))]
    proxy.tear, proxy.mode = b"COMMIT", "refuse"
    with pytest.raises(OutcomeUnknown):
        drive(engine.settle("w", ends))
    proxy.mode = "pass"
    if over:
        postgres.run("update forebay.worker set until = 0")
    elsewhere = msgspec.structs.replace(third, fence=third.fence + 1)
    assert drive(engine.settle("w", [*ends, Settlement(elsewhere, Ack())])) == [True, True, False]
    assert drive(engine.settle("w", ends)) == [False, False]


def test_a_silent_server_makes_a_publish_unknown_in_time_and_the_same_ids_are_taken_once(engine, proxy, impatient):
    publish(engine, "before")
    proxy.mode = "mute"
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="publish again with the same id"):
        publish(engine, "a")
    assert time.monotonic() - started < 9, "not as long as usual"
    proxy.mode = "pass"
    proxy.cut()
    assert publish(engine, "a", "b")[1].fate is Fate.ACCEPTED
    assert [delivery.id for delivery in lease(engine)] == ["before", "a", "b"]


def test_each_of_several_publishers_that_share_a_lost_answer_has_an_error_of_its_own(engine, proxy, impatient):
    publish(engine, "before")
    proxy.mode = "mute"

    async def together():
        messages = [[Message(id=f"m{number}", queue="q")] for number in range(3)]
        return await asyncio.gather(*(engine.publish(each) for each in messages), return_exceptions=True)

    told = asyncio.run(together())
    assert OutcomeUnknown in {type(error) for error in told}
    assert all(isinstance(error, OutcomeUnknown | EngineUnreachable) for error in told), "one may not have been sent"
    assert len({id(error) for error in told}) == 3


def test_a_server_that_stands_still_for_a_moment_is_waited_for(engine, proxy):
    publish(engine, "before")
    proxy.mode = "hang"
    threading.Timer(0.5, lambda: setattr(proxy, "mode", "pass")).start()
    assert publish(engine, "a")[0].fate is Fate.ACCEPTED


def test_without_a_server_a_publish_is_refused_in_time(engine, proxy, impatient):
    proxy.mode = "refuse"
    proxy.cut()
    started = time.monotonic()
    with pytest.raises(EngineUnreachable, match="cannot be reached"):
        publish(engine, "a")
    assert time.monotonic() - started < 9, "not as long as usual"
    proxy.mode = "pass"
    assert publish(engine, "a")[0].fate is Fate.ACCEPTED


def test_whoever_ends_all_sessions_loses_nothing(engine):
    ended = threading.Event()

    def end_sessions():
        text = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like %s"
        while not ended.wait(0.2):
            postgres.run(text, (f"forebay {postgres.NAMESPACE}%",))

    thread = threading.Thread(target=end_sessions)
    thread.start()
    try:
        names = [new_id() for _ in range(40)]
        assert {publish(engine, name)[0].fate for name in names} == {Fate.ACCEPTED}
        got = []
        while len(got) < len(names):
            deliveries = lease(engine, 7)
            assert settle(engine, Ack(), *deliveries) == [True] * len(deliveries)
            got += deliveries
    finally:
        ended.set()
        thread.join()
    assert sorted(delivery.id for delivery in got) == sorted(names)
    assert {delivery.attempt for delivery in got} == {1}
    depth = drive(engine.depth(["q"]))[0]
    assert (depth.published, depth.done, depth.ready, depth.running) == (40, 40, 0, 0)


def test_news_is_heard_again_after_the_listening_connection_was_lost(engine, proxy):
    other = build(postgres.settings(), SystemClock())
    drive(other.open())
    try:
        news = drive(engine.lease(Want("w", ["q"], 1))).news
        drive(engine.wait(["q"], 5, news))
        proxy.cut()
        give_up = time.monotonic() + 120
        while True:
            news = drive(engine.lease(Want("w", ["q"], 1))).news
            waited = threading.Timer(0.2, lambda: drive(other.publish([Message(id=new_id(), queue="q", delay=1e6)])))
            waited.start()
            started = time.monotonic()
            drive(engine.wait(["q"], 20, news))
            took = time.monotonic() - started
            waited.join()
            if 0.15 < took < 9:  # neither for nothing, nor by looking
                break
            assert time.monotonic() < give_up
    finally:
        drive(other.close())


def test_no_password_is_told(proxy, monkeypatch):
    monkeypatch.setattr("forebay.engine.postgres.database.OPENING", 0.2)
    url = f"postgresql://forebay:s3cret%20x@127.0.0.1:{proxy.port}/nowhere"
    engine = build(msgspec.structs.replace(postgres.settings(), url=url), SystemClock())
    proxy.mode = "refuse"
    with pytest.raises(EngineUnreachable) as caught:
        drive(engine.open())
    texts = [str(caught.value), repr(caught.value.__cause__), str(caught.value.__cause__), repr(engine._db.address)]
    assert not [text for text in texts if "s3cret" in text]


def test_an_ack_whose_answer_is_lost_until_the_lease_is_over_is_true(engine, proxy):
    """Its worker held the lease when it settled; that it has none when it asks again changes nothing."""
    publish(engine, "a", "b")
    a, b = lease(engine)
    proxy.mode = "mute"
    threading.Timer(0.5, lambda: (postgres.run("update forebay.worker set until = 0"), proxy.cut())).start()
    threading.Timer(0.6, lambda: setattr(proxy, "mode", "pass")).start()
    assert settle(engine, Ack(), a) == [True]
    assert settle(engine, Ack(), b) == [False], "this one it never settled"


def test_an_ack_that_the_server_is_still_at_when_it_is_asked_again_is_true(engine, proxy):
    """The connection broke, and the lease is over, before the first attempt was committed."""
    publish(engine, "a")
    (a,) = lease(engine)
    ack = f"select \"{postgres.NAMESPACE}\".ack('w', %s::bigint[], %s::bigint[])"
    with postgres.connect() as first:
        first.execute(ack, [[a.receipt], [a.fence]])
        postgres.run("update forebay.worker set until = 0")
        threading.Timer(0.3, first.commit).start()
        proxy.tear = b""
        assert settle(engine, Ack(), a) == [True]
    assert proxy.tear is None


def after_a_lost_commit(proxy):
    """For an operation: its group is committed, the answer lost; when it is tried again it meets somebody's lock."""
    tried = []

    def operation(tx):
        tried.append(tx.again)
        tx.time()
        if tried == [False]:
            proxy.tear = b"COMMIT"
        elif len(tried) == 2:
            raise pg.LockNotAvailable

    return operation, tried


def test_what_a_lease_took_is_given_again_though_its_group_met_a_lock_in_between(engine, proxy):
    publish(engine, "a", "b")
    lease(engine, 0)
    operation, tried = after_a_lost_commit(proxy)
    writer, go = engine._db.worker, threading.Event()

    async def together():
        first = writer.submit(lambda _: go.wait(60))
        leased = asyncio.ensure_future(engine.lease(Want("w", ["q"], 1)))
        await asyncio.sleep(0)  # it is submitted
        spoilt = writer.submit(operation)
        go.set()
        await first
        await spoilt
        return (await leased).deliveries

    got = asyncio.run(together())
    assert (proxy.tear, tried) == (None, [False, True, True])
    assert [delivery.id for delivery in got] == ["a"], "it took this one, and then asked anew"
    assert drive(engine.depth(["q"]))[0].running == 1


def test_what_may_have_been_committed_is_unknown_whatever_is_said_when_it_is_tried_again(engine, proxy):
    operation, tried = after_a_lost_commit(proxy)
    with pytest.raises(OutcomeUnknown):
        carry_out(engine, operation)
    assert tried == [False, True]
    carry_out(engine, operation)
    assert tried == [False, True, False], "the next one has nothing to do with it"


def test_a_transaction_of_ours_that_falls_silent_is_ended_and_holds_up_nobody(engine, monkeypatch):
    monkeypatch.setattr(wire, "SILENT", "200ms")
    engine._db.worker._link.drop()
    other = build(postgres.settings(), SystemClock())
    drive(other.open())
    holds, go, tried = threading.Event(), threading.Event(), []

    def frozen(tx):
        tried.append(tx.again)
        renewed = tx.rows("beat", "w", 1e6, "", b"", 0, "", None)
        holds.set()
        assert go.wait(60)
        return renewed

    with concurrent.futures.ThreadPoolExecutor() as threads:
        answer = threads.submit(carry_out, engine, frozen)
        try:
            assert holds.wait(60)
            assert drive(other.extend([Beat(worker="w", lease=1e6)])) == [True]
        finally:
            go.set()
            drive(other.close())
        assert answer.result(60)
    assert len(tried) == 2, "and it is done by whoever was silent, when it is back"


def through_a_pooler(data):
    """As one does it: it says a number of its own for the process that serves the session."""
    at = data.find(b"K\0\0\0\x0c")
    return data if at < 0 else data[: at + 5] + b"\0\1\2\3" + data[at + 9 :]


def test_doctor_says_that_a_pooler_is_on_the_way_and_what_that_means(proxy):
    settings = postgres.settings()
    where = urlsplit(settings.url)
    url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}").geturl()
    checks = ServerChecks(msgspec.structs.replace(settings, url=url))
    assert "way" not in {one.check for one in checks.examine()}
    proxy.change = through_a_pooler
    (found,) = [one for one in checks.examine() if one.check == "way"]
    assert "looks every `poll`" in found.text
