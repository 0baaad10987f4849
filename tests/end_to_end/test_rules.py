"""Rules with two workers on every engine: each act within two seconds, what it leaves behind, and how it is over."""

import asyncio
import contextlib
import logging
import time

import pytest

from engines.servers.places import place
from forebay import Forebay, State, TaskFailed
from forebay.config import WorkerOptions
from forebay.control import RuleControl, whoami
from forebay.engine.contract import Beat
from forebay.engine.waiting import drive
from forebay.observe.why import why_message
from forebay.work.dev import working

#: Seconds within which a rule is to be followed; that a machine may be slow beside; and until anything is seen.
SOON, SLOW, PATIENCE = 2.0, 28.0, 60.0
WORKERS = 2


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def where(request, tmp_path):
    """URL and namespace."""
    with place(request.param, tmp_path) as found:
        yield found


def app_on(where, ran):
    """An app with a task, which notes what it is called with."""
    url, namespace = where
    app = Forebay(url, poll=0.2, **({"namespace": namespace} if namespace else {}))

    @app.task(name="send", queue="mail")
    async def send(to: str, n: int = 0) -> str:
        ran.append((to, time.monotonic()))
        return f"sent to {to}"

    @app.consume("clicks", batch=10, max_wait=0.05)
    async def load(messages: list) -> None:
        ran.extend((message.value["page"], time.monotonic()) for message in messages)

    app.queue("aside")
    return app, send


@contextlib.asynccontextmanager
async def fleet(where):
    """Two workers, each of an app of its own; the first of them, its task, and what ran in both."""
    ran = []
    (one, send), (two, _) = app_on(where, ran), app_on(where, ran)
    async with one, two, working(one, WorkerOptions()), working(two, WorkerOptions()):
        yield one, send, ran
    await asyncio.sleep(0)


async def until(condition, patience=PATIENCE):
    """Wait for what is to come."""
    ends = time.monotonic() + patience
    while not (answer := await condition()):
        assert time.monotonic() < ends, "it never came"
        await asyncio.sleep(0.02)
    return answer


async def parked(app, queue, n):
    (depth,) = await app.aqueues(queue)
    return depth.parked == n


async def settled(app, queue, **numbers):
    (depth,) = await app.aqueues(queue)
    return all(getattr(depth, name) == n for name, n in numbers.items())


async def found(app, handle):
    (one,) = await app.store.find([handle.id])
    return one


async def known(caplog, n):
    return (
        sum(
            record.getMessage().removesuffix(": bounces").removesuffix(": a bug in n").endswith(f", by {whoami()}")
            for record in caplog.records
        )
        >= n
    )


async def followed(app, send, caplog):
    """Rules of each kind, added two seconds before what they are about."""
    add = app.rules.aadd
    await add("pause", queue="mail", where='args.to ~ "@pause"', lasts="1h", name="hold", reason="bounces")
    await add("drop", queue="mail", where="args.n > 2", name="lose", reason="a bug in n")
    await add("drop", queue="clicks", where='body.page == "/bad"', name="lose-clicks")
    await add("throttle", queue="mail", where='args.to ~ "@slow"', rate="10/s", name="slow")
    await add("reroute", task="send", where='args.to ~ "@aside"', to="aside", name="move")
    await add("drop", queue="mail", where='args.nowhere == "a"', name="unread")
    began = time.monotonic()
    await until(lambda: known(caplog, WORKERS * 6))
    assert time.monotonic() - began < SOON + SLOW
    held = await send.aenqueue_many([(f"{n}@pause",) for n in range(6)])
    drop = await send.aenqueue("drop@y.com", n=3)
    slow = await send.aenqueue_many([(f"{n}@slow",) for n in range(12)])
    move = await send.aenqueue("a@aside")
    free = await send.aenqueue_many([(f"{n}@y.com",) for n in range(6)])
    await app.apublish_many("clicks", [{"page": "/good"}, {"page": "/bad"}, {"page": "/fine"}])
    for handle in (*free, *slow, move):
        await handle.aresult(timeout=PATIENCE)
    with pytest.raises(TaskFailed, match="rule lose: a bug in n"):
        await drop.aresult(timeout=PATIENCE)
    await until(lambda: settled(app, "clicks", discarded=1, done=2))
    await until(lambda: parked(app, "mail", 6))
    return held, drop, move, slow


def test_each_kind_is_followed_by_every_worker_and_leaves_what_it_says(where, caplog):
    """A pause: parked, no attempt counted. A drop: discarded with its name. A throttle: one meter for all. A reroute:
    the same message elsewhere. One that cannot be judged: as if it was not there, told once.
    """

    caplog.set_level(logging.INFO, logger="forebay.rules")

    async def story():
        async with fleet(where) as (app, send, ran):
            held, drop, move, slow = await followed(app, send, caplog)
            states = {(one.state, one.attempt, one.cause) for one in [await found(app, handle) for handle in held]}
            assert states == {(State.PARKED, 0, "rule hold: bounces")}
            reason = (await why_message(app.engine, app.store, await found(app, held[0]), lease=15, app="m:app"))[0]
            assert reason.text.startswith("what rule hold matches in queue mail has been paused for ")
            assert ": bounces" in reason.text
            assert "forebay rules remove hold" in reason.advice
            assert await app.rules.aremove("hold")
            for handle in held:
                await handle.aresult(timeout=PATIENCE)

            async def counted():
                rules = {rule.name: (rule.met, rule.unread > 0) for rule in await app.rules.alist()}
                met = {"lose": 1, "lose-clicks": 1, "slow": 12, "move": 1, "unread": 0}
                return rules == {name: (n, name == "unread") for name, n in met.items()}

            await until(counted)
            ends = [await found(app, handle) for handle in (drop, move)]
            starts = [(await found(app, handle)).started for handle in slow]
            return ends, ran, starts, await app.store.audits(), await app.store.gates()

    (dropped, moved), ran, starts, audits, gates = asyncio.run(story())
    assert (dropped.state, dropped.cause) == (State.DISCARDED, "rule lose: a bug in n")
    assert (moved.queue, moved.attempt, moved.headers) == ("aside", 1, {"forebay-rerouted": "mail"})
    assert {to for to, _ in ran} & {"drop@y.com", "/bad"} == set()
    assert max(starts) - min(starts) >= 0.99  # by the store's clock; a worker may begin the first one late
    assert gates == []
    assert (audits[0].verb, audits[0].target) == ("remove rule", "hold")
    assert 'queue=mail where=args.to ~ "@pause" reason=bounces lasts=3600s' in audits[-1].detail
    told = [record.message for record in caplog.records if "rule unread cannot be judged" in record.message]
    assert 1 <= len(told) <= 2  # by each worker once
    assert "it has no args.nowhere" in told[0]


def test_a_pause_without_a_condition_is_a_gate_at_once_and_nothing_is_leased(where):
    async def story():
        async with fleet(where) as (app, send, _):
            await app.rules.aadd("pause", task="send", name="x")
            handle = await send.aenqueue("a@y.com")
            assert await parked(app, "mail", 1)
            one = await found(app, handle)
            await app.rules.aremove("x")
            assert await handle.aresult(timeout=PATIENCE)
            return one

    one = asyncio.run(story())
    assert (one.state, one.attempt, one.lane) == (State.PARKED, 0, "")


def test_a_reroute_to_where_no_worker_is_says_so_and_is_added(where, caplog):
    url, namespace = where
    warning = "no worker serves queue aside: what goes there waits until one does"
    with Forebay(url, **({"namespace": namespace} if namespace else {})) as app:
        assert app.rules.preview("reroute", queue="mail", to="aside").warning == warning
        assert app.rules.add("reroute", queue="mail", to="aside", name="first").to == "aside"
        assert [record.getMessage() for record in caplog.records if record.name == "forebay.rules"] == [
            f"rule first: {warning}"
        ]
        caplog.clear()
        drive(app.engine.extend([Beat(worker="w", lease=60, queues=["aside"], concurrency=1)]))
        assert app.rules.preview("reroute", queue="mail", to="aside").warning == ""
        app.rules.add("reroute", queue="mail", to="aside")
        assert [record for record in caplog.records if record.name == "forebay.rules"] == []
        drive(app.engine.extend([Beat(worker="w", lease=0)]))  # it has left
        assert app.rules.preview("reroute", queue="mail", to="aside").warning == warning


def test_it_is_over_when_its_time_has_passed_whoever_lives(where, caplog):
    """No worker, no scheduler: the gates of a pause open by themselves, and who comes next finds the way open."""
    caplog.set_level(logging.INFO, logger="forebay.rules")

    async def story():
        ran = []
        app, send = app_on(where, ran)
        async with app:
            async with working(app, WorkerOptions()):
                await app.rules.aadd("pause", where="args.n == 1", lasts=8, name="x")
                await app.rules.aadd("throttle", where="args.n == 2", rate="1/h", lasts=8, name="y")
                await until(lambda: known(caplog, 2))
                handle = await send.aenqueue("a@x.com", n=1)

                await until(lambda: parked(app, "mail", 1))
            assert ran == []

            async def over():
                return not await app.rules.alist()

            await until(over)
            async with working(app, WorkerOptions()):
                assert await handle.aresult(timeout=PATIENCE) == "sent to a@x.com"
                for n in range(3):
                    await (await send.aenqueue(f"{n}@x.com", n=2)).aresult(timeout=PATIENCE)
            return await app.store.gates(), await app.store.steered(), await app.store.meters(["rule:y"])

    assert asyncio.run(story()) == ([], [], [])


def test_what_a_late_worker_has_closed_for_a_rule_that_is_gone_is_opened_again(where):
    async def story():
        ran = []
        app, send = app_on(where, ran)
        async with app:
            await app.store.close_gate("mail", None, "left behind", "rule gone")
            handle = await send.aenqueue("a@x.com")
            async with working(app, WorkerOptions()):
                return await handle.aresult(timeout=PATIENCE)

    assert asyncio.run(story()) == "sent to a@x.com"


def test_two_of_one_name_are_refused_and_an_operator_sees_who_did_what(where):
    async def story():
        app, _ = app_on(where, [])
        async with app:
            await app.rules.aadd("drop", task="send", name="x")
            with pytest.raises(Exception, match="there is a rule x already"):
                await app.rules.aadd("pause", task="send", name="x")
            added = [await app.rules.aadd("drop", task="send") for _ in range(2)]
            control = RuleControl(app.engine, app.store, "ann@desk")
            await control.remove("x")
            assert await control.remove("x") is None
            return [rule.name for rule in added], [(one.actor, one.verb) for one in await app.store.audits(1)]

    assert asyncio.run(story()) == (["drop-1", "drop-2"], [("ann@desk", "remove rule")])
