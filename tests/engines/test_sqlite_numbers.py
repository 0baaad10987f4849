"""Numbers that do not fit into the array of a batch of acks: such a message ends like any other, only one by one."""

import asyncio

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.model.clock import SystemClock
from forebay.model.lifecycle import State
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement

IDS = [f"{number:032x}" for number in range(3)]


def altered(path, statement):
    db = apsw.Connection(str(path))
    db.execute(statement)
    db.close()


async def story(path, statement):
    """Three messages, the second altered, done in one batch: the verdicts, those of a second try, states and counts."""
    engine = build(Settings(url=f"sqlite:///{path}"), SystemClock())
    await engine.open()
    await engine.publish([Message(id=id_, queue="q") for id_ in IDS])
    altered(path, statement)
    await engine.extend([Beat(worker="w", lease=60)])
    deliveries = (await engine.lease(Want("w", ["q"], 3))).deliveries
    acks = [Settlement(delivery, Ack()) for delivery in deliveries]
    verdicts, again = await engine.settle("w", acks), await engine.settle("w", acks)
    states = [found.state for found in await engine.find(IDS)]
    depth = (await engine.depth(["q"]))[0]
    await engine.close()
    return verdicts, again, states, (depth.running, depth.done)


@pytest.mark.parametrize(
    "statement",
    [
        f"update message set fence = 5000000 where id = '{IDS[1]}'",  # leased and snoozed every second for two months
        f"update message set seq = 1 << 60 where id = '{IDS[1]}'",
    ],
    ids=["over a million leases", "a row number beyond all use"],
)
def test_a_message_with_unusual_numbers_ends_like_its_neighbours(tmp_path, statement):
    verdicts, again, states, counts = asyncio.run(story(tmp_path / "queue.db", statement))
    assert verdicts == [True] * 3
    assert again == [False] * 3
    assert states == [State.DONE] * 3
    assert counts == (0, 3)
