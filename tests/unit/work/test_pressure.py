"""The governor of pressure on a store: what it writes, when it lets go, and what it leaves alone."""

import asyncio
from types import SimpleNamespace

import pytest

from forebay import Forebay
from forebay.engine.contract import Beat, Want
from forebay.flow.pace import Pace
from forebay.flow.pressure import AGED
from forebay.model.message import Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.model.topology import Edge
from forebay.testing import ManualClock
from forebay.work import pacing
from forebay.work.feeding import Feeding
from forebay.work.pressure import DEADLINE, IDLE, NoPressure, Pressure

EDGE = Edge("c", "third", False, "d", "last")


@pytest.fixture
def here():
    """An app in memory whose clock is ours, with a bounded queue d, which a worker serves."""
    clock = ManualClock()
    app = Forebay("memory://", clock=clock)
    app.queue("d", limit=10)
    app.queue("c")
    return SimpleNamespace(app=app, clock=clock)


def fed(*edges):
    feeding = Feeding()
    feeding.merge(edges)
    return feeding


async def put(app, n, start=0):
    await app.engine.publish([Message(id=f"m{start + k}", queue="d", body=b"", task="last") for k in range(n)])


async def serve(app):
    await app.engine.extend([Beat(worker="w", lease=1e6, queues=("d",), concurrency=1)])


async def take(app, n):
    leased = await app.engine.lease(Want("w", ("d",), n))
    await app.engine.settle("w", [Settlement(one, Ack(), 0.0) for one in leased.deliveries])


async def gates(app):
    return [(gate.queue, gate.task, gate.until) for gate in await app.store.gates()]


def play(story, here):
    async def whole():
        async with here.app:
            await serve(here.app)
            await story(here.app, here.clock)

    asyncio.run(whole())


def test_who_feeds_a_full_queue_is_held_until_a_deadline_that_is_renewed_and_let_go_when_there_is_room(here):
    async def story(app, clock):
        one = Pressure(app, fed(EDGE))
        await put(app, 10)
        await one._look()
        assert await gates(app) == [("c", "third", clock.now() + DEADLINE)]
        clock.advance(DEADLINE / 2 + 1)
        await one._look()
        assert await gates(app) == [("c", "third", clock.now() + DEADLINE)]
        await take(app, 4)
        await one._look()
        assert await gates(app) == []

    play(story, here)


def test_of_one_that_died_the_gate_opens_by_itself_and_another_one_goes_on(here):
    async def story(app, clock):
        await put(app, 10)
        await Pressure(app, fed(EDGE))._look()
        clock.advance(DEADLINE + 1)
        assert await gates(app) == []
        await Pressure(app, Feeding())._look()  # which has seen nothing itself, and reads it
        assert [gate[:2] for gate in await gates(app)] == [("c", "third")]

    play(story, here)


def test_only_what_has_changed_is_written(here):
    async def story(app, clock):
        one, other = Pressure(app, fed(EDGE)), Pressure(app, fed(EDGE))
        await put(app, 1)
        for _ in range(3):
            await one._look()
            await other._look()
        (row,) = await app.store.steered()
        assert (row.name, row.generation) == ("pressure:d", 1)

    play(story, here)


def test_an_edge_that_nobody_uses_goes_and_its_row_with_it(here):
    async def story(app, clock):
        one = Pressure(app, fed(EDGE))
        await one._look()
        clock.advance(AGED + 1)
        await one._look()
        assert await app.store.steered() == []

    play(story, here)


def test_while_it_is_held_an_edge_is_kept_unless_nobody_serves_the_full_queue(here):
    async def story(app, clock):
        one = Pressure(app, fed(EDGE))
        await put(app, 10)
        for _ in range(6):
            await one._look()
            clock.advance(AGED / 4 + 1)
        await one._look()
        assert [gate[:2] for gate in await gates(app)] == [("c", "third")]
        await app.engine.recover(["w"])  # the last one that served d
        one._asked = 0.0
        for _ in range(6):
            await one._look()
            clock.advance(AGED / 4 + 1)
        await one._look()
        assert await gates(app) == []

    play(story, here)


def test_where_no_queue_has_a_limit_it_looks_every_few_seconds():
    async def story():
        async with Forebay("memory://") as app:
            assert await Pressure(app, fed(EDGE))._look() == IDLE
            assert await Pressure(app, Feeding())._look() == IDLE

    asyncio.run(story())


def test_an_operators_pause_is_not_opened(here):
    async def story(app, clock):
        one = Pressure(app, fed(EDGE))
        await app.store.close_gate("c", task="third", reason="mine")
        await put(app, 10)
        await one._look()
        assert len(await gates(app)) == 2
        await take(app, 10)
        await one._look()
        assert await gates(app) == [("c", "third", None)]

    play(story, here)


def test_declared_marks_are_kept_for_all_workers(here):
    async def story(app, clock):
        app.queue("e", mark=3)
        await Pressure(app, Feeding()).declare()
        edge = Edge("c", "third", False, "e", "")
        await app.engine.publish([Message(id=f"e{n}", queue="e", body=b"") for n in range(3)])
        other = Forebay("memory://")
        other.store, other.engine = app.store, app.engine  # of a program that does not know of the mark
        await Pressure(other, fed(edge))._look()
        assert [gate[:2] for gate in await gates(app)] == [("c", "third")]

    play(story, here)


def test_a_meter_of_somebody_else_is_left_alone():
    async def story():
        async with Forebay("memory://") as app:
            pace = {("c", "third"): Pace(5.0, 0.0, "d")}
            await app.store.put_meters([Meter(name="task:c:third", rate=100.0)])
            await pacing.carry_out(app.store, {}, pace)
            assert [meter.rate for meter in await app.store.meters()] == [100.0]
            assert await app.store.steered() == []
            await app.store.drop_meters(["task:c:third"])
            await pacing.carry_out(app.store, {}, pace)
            assert [meter.rate for meter in await app.store.meters()] == [5.0]
            await pacing.let_go(app.store)
            assert (await app.store.meters(), await app.store.steered()) == ([], [])

    asyncio.run(story())


def test_switched_off_it_lets_go_of_what_others_have_held(here):
    async def story(app, clock):
        await put(app, 10)
        await Pressure(app, fed(EDGE))._look()
        await pacing.carry_out(app.store, {}, {("c", "third"): Pace(5.0, 0.0, "d")})
        await app.store.close_gate("c", reason="mine")
        await NoPressure(app.store).declare()
        assert (await gates(app), await app.store.meters()) == ([("c", None, None)], [])

    play(story, here)


def test_who_feeds_a_queue_that_is_full_by_its_bytes_is_held(here):
    async def story(app, clock):
        await app.engine.declare([QueueSpec(name="d", limit_bytes=1_000)])
        one = Pressure(app, fed(EDGE))
        await app.engine.publish([Message(id=f"m{k}", queue="d", body=b"x" * 100, task="last") for k in range(10)])
        await one._look()
        assert [gate[:2] for gate in await gates(app)] == [("c", "third")]
        await take(app, 4)
        await one._look()
        assert await gates(app) == []

    play(story, here)
