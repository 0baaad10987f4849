"""The numbers of messages: none is used twice, and one that does not fit into the array of a batch does no harm."""

import asyncio

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.registry import build
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
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


def numbers(path):
    db = apsw.Connection(str(path))
    found = [seq for (seq,) in db.execute("select seq from message order by seq")]
    db.close()
    return found


def opened(path):
    """An engine as another process would have it."""
    engine = Sqlite(Settings(url=f"sqlite:///{path}"), SystemClock(), among=Files())
    drive(engine.open())
    drive(engine.extend([Beat(worker="w", lease=60)]))
    return engine


def publish(engine, count=1):
    return drive(engine.publish([Message(id=new_id(), queue="q") for _ in range(count)]))


def test_the_number_of_a_message_is_never_used_again_whoever_publishes_and_whatever_has_ended(tmp_path):
    path, used = tmp_path / "q.db", set()
    one, other = opened(path), opened(path)
    for number in range(40):
        engine = (one, other)[number % 2]
        publish(engine, 1 + number % 3)
        deliveries = drive(engine.lease(Want("w", ["q"], 10))).deliveries
        now = {delivery.receipt for delivery in deliveries}
        assert len(now) == 1 + number % 3
        assert not used or min(now) > max(used)
        used |= now
        assert all(drive(engine.settle("w", [Settlement(delivery, Ack()) for delivery in deliveries])))
        if number == 20:
            drive(one.close())
            drive(other.close())
            one, other = opened(path), opened(path)
    drive(one.close())
    drive(other.close())


@pytest.mark.parametrize("count", [1, 3])
def test_a_row_of_somebody_else_that_has_the_next_number_is_in_nobodys_way(tmp_path, count):
    engine = opened(tmp_path / "q.db")
    publish(engine, 3)
    altered(tmp_path / "q.db", "update message set seq = 4 where seq = 3")
    assert {receipt.fate for receipt in publish(engine, count)} == {Fate.ACCEPTED}
    assert numbers(tmp_path / "q.db") == [1, 2, 4, *range(5, 5 + count)]
    drive(engine.close())
