"""Why a queue waits: only what holds something in it is told; a provider's lane is shut in every queue at once."""

import asyncio

import msgspec
import pytest

from forebay import Forebay
from forebay.engine.contract import Depth, LaneDepth
from forebay.flow.lane import owned
from forebay.model.gate import Gate
from forebay.model.message import Message
from forebay.model.provider import BREAKER, Place, Provider, Terms, lane_of, meter_of
from forebay.model.topology import Feed, Over, Stage
from forebay.observe.scale import _held
from forebay.observe.ticket import Recent, Stand
from forebay.observe.why import waits_behind, why_queue
from forebay.provider.operate import Act, operate
from forebay.provider.steer import change
from forebay.store.records import Steered
from forebay.testing import ManualClock

MANY = tuple(LaneDepth(lane=f"l{n}", ready=1) for n in range(100))


def held(*lanes: LaneDepth) -> Depth:
    return Depth(queue="q", ready=1, lanes=lanes)


@pytest.mark.parametrize(
    ("depth", "waits"),
    [
        (Depth(queue="q"), False),
        (held(), False),
        (held(LaneDepth(lane="smtp|meter:provider:smtp", parked=1)), True),
        (held(LaneDepth(lane="smtp~ann|meter:provider:smtp", parked=1)), True),
        (held(LaneDepth(lane="smtp|meter:provider:smtp|task:send|key:t7", ready=1)), True),
        (held(LaneDepth(lane="smtp|meter:provider:smtp", running=1)), False),
        (held(LaneDepth(lane="llm|meter:provider:llm", parked=1)), False),
        (held(LaneDepth(lane="|key:t7", parked=1)), True),  # an ordered queue: all of a key are one line
        (held(*MANY), True),  # there may be more lanes than these
    ],
)
def test_something_waits_behind_a_lane(depth, waits):
    assert waits_behind(depth, "smtp") is waits


def test_where_the_depth_cannot_tell_a_look_at_the_messages_does():
    ordered = held(LaneDepth(lane="|key:t7", parked=1))
    assert [waits_behind(ordered, "smtp", seen) for seen in ({"smtp"}, {"llm"}, ())] == [True, False, False]
    assert not waits_behind(Depth(queue="q"), "smtp", {"smtp"})


def test_a_closed_lane_is_no_reason_where_nothing_waits_in_it():
    assert asyncio.run(codes()) == {"mail": {"parked", "no-worker"}, "chores": {"no-worker"}}


async def codes() -> dict[str, set[str]]:
    """What is told of two queues whose lane smtp is shut; something waits in one of these."""
    app = Forebay("memory://")

    @app.task(queue="mail", provider="smtp")
    def send() -> None: ...

    @app.task(queue="chores")
    def sweep() -> None: ...

    app.provider("smtp")
    async with app:
        await send.aenqueue()
        await sweep.aenqueue()
        told: dict[str, set[str]] = {}
        for queue in ("mail", "chores"):
            await app.store.close_gate(queue, "smtp", "no connection", "breaker")
        for queue in ("mail", "chores"):
            (depth,) = await app.aqueues(queue)
            reasons = await why_queue(app.engine, app.store, depth, lease=15.0, app="m:app")
            told[queue] = {reason.code for reason in reasons}
    return told


def test_the_bottleneck_that_scale_names_is_the_gate_that_something_waits_for():
    gates = [Gate("q", "smtp", holder="breaker"), Gate("q", task="store", holder="pressure")]
    stands = Depth(queue="q", parked=3, lanes=(LaneDepth(lane="|task:store", parked=3),))
    assert _held(stands, gates) == (3, "closed by pressure")


@pytest.mark.parametrize(
    ("lane", "whose"),
    [
        (owned("rule.slow-1"), "rule slow-1"),
        (owned("smtp"), "provider smtp"),
        ("|key:eu", "key eu"),
    ],
)
def test_the_bottleneck_that_scale_names_is_the_limit_that_something_waits_at_in_words(lane, whose):
    stands = Depth(queue="q", ready=2, lanes=(LaneDepth(lane=lane, ready=2, why="rate 5/s, next in 1s"),))
    assert _held(stands, []) == (2, f"limit of {whose}: rate 5/s, next in 1s")


def test_a_stage_that_is_held_tells_where_its_chain_ends_and_what_is_the_matter_there():
    text, opens = asyncio.run(held_chain())
    assert text == (
        "task first has been held by pressure: queue b is at 9 of 9, fed by task first; for 0s; "
        "the cause is at queue c: no worker serves queue c: none is running"
    )
    assert opens is None  # its end is put off again and again


async def held_chain() -> tuple[str, float | None]:
    """What is told of the first of three queues, the last of which is over its mark; and when the first one opens."""
    app = Forebay("memory://", clock=ManualClock())

    @app.task(queue="a")
    def first() -> None: ...

    async with app:
        (found,) = await app.store.find([(await first.aenqueue()).id])
        await app.apublish("c", "x")
        for source, task, target in (("a", "first", "b"), ("b", "second", "c")):
            stage = Stage(queue=target, feeds=(Feed(source, task, False, "", 0.0),), over=Over(1.0, 0))
            await app.store.steer(
                [Steered(name=f"pressure:{target}", body=msgspec.msgpack.encode(stage), generation=0)]
            )
            until, why = await app.store.now() + 10, f"queue {target} is at 9 of 9, fed by task {task}"
            await app.store.close_gate(source, reason=why, holder="pressure", until=until, task=task)
        (depth,) = await app.aqueues("a")
        (reason, *_) = await why_queue(app.engine, app.store, depth, lease=15.0, app="m:app")
        assert found is not None
        (opens,) = await Stand(app.engine, app.store, Recent(), 15.0)._shut(found, await app.store.now())
    return reason.text, opens


def test_a_provider_that_is_not_asked_is_one_reason_not_two():
    """Its meter lets nothing through either, once its gate has opened by itself."""
    assert asyncio.run(waiting_for_one()) == ["no-worker", "provider"]


async def waiting_for_one() -> list[str]:
    app, lane = Forebay("memory://"), lane_of("smtp", cpu=False)
    row = Provider(name="smtp", terms=Terms(concurrency=3), places=(Place("q", lane),))
    async with app:
        await change(app.store, "smtp", lambda *_: row)
        await app.engine.publish([Message(id=f"{1:032x}", queue="q", lane=lane, meters=(meter_of("smtp"),))])
        await operate(app.store, "smtp", Act.OPEN, "me")
        await app.store.open_gate("q", lane, BREAKER)
        (depth,) = await app.aqueues("q")
        assert [one.why for one in depth.lanes] == ["not asked now"]
        return [reason.code for reason in await why_queue(app.engine, app.store, depth, lease=15.0, app="m:app")]
