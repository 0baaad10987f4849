"""Why a queue waits: only what holds something in it is told; a provider's lane is shut in every queue at once."""

import asyncio

import pytest

from forebay import Forebay
from forebay.engine.contract import Depth, LaneDepth
from forebay.observe.why import waits_behind, why_queue

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
