"""No transaction grows with what is asked for: others who want to write get their turn in between."""

import asyncio

import pytest

from forebay.config import Settings
from forebay.engine import turns
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.sqlite import writer
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineError, OutcomeUnknown
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Park, Settlement
from forebay.store.records import Choice

MOST = turns.MESSAGES


@pytest.fixture
def sizes(monkeypatch):
    """How many messages each transaction moved."""
    moved, tally = [], writer.tally

    def counted(transaction):
        moved.append(sum(n for n in transaction.counts.values() if n > 0))
        return tally(transaction)

    monkeypatch.setattr(writer, "tally", counted)
    return moved


@pytest.fixture
def opened(tmp_path):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", durability="normal"), SystemClock())
    drive(engine.open())
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    yield engine
    drive(engine.close())


def many(count):
    return [Message(id=id_, queue="q", lane="x", body=b"\x80") for id_ in new_id.many(count)]


def test_a_large_batch_goes_in_parts_and_every_verb_for_many_too(opened, sizes):
    count = 2 * MOST + 1
    assert {receipt.fate for receipt in drive(opened.publish(many(count)))} == {Fate.ACCEPTED}
    leased = drive(opened.lease(Want("w", ["q"], 10 * count))).deliveries
    assert len(leased) == MOST
    leased += drive(opened.lease(Want("w", ["q"], 10 * count))).deliveries
    drive(opened.close_gate("q", "x"))
    assert all(drive(opened.settle("w", [Settlement(one, Park("x")) for one in leased])))
    drive(opened.open_gate("q", "x"))
    depth = drive(opened.depth(["q"]))[0]
    assert (depth.ready, depth.published) == (count, count)
    assert drive(opened.cancel([one.id for one in leased[:MOST]])) == ["cancelled"] * MOST
    assert drive(opened.cancel_all(Choice(), 10 * count)) == MOST + 1
    assert max(sizes) <= 2 * MOST, "a publish counts twice: as published, and as ready"


def test_a_lease_that_was_cut_short_is_news_to_whoever_waits(opened):
    drive(opened.publish(many(MOST + 10)))
    leased = drive(opened.lease(Want("w", ["q"], 10 * MOST)))
    drive(opened.wait(["q"], 60, leased.news))
    assert len(drive(opened.lease(Want("w", ["q"], 10 * MOST))).deliveries) == 10


def test_many_who_publish_at_once_share_commits_of_a_bounded_size(opened, sizes):
    async def publish():
        await asyncio.gather(*(opened.publish(many(1000)) for _ in range(40)))

    asyncio.run(publish())
    assert drive(opened.depth(["q"]))[0].published == 40_000
    assert max(sizes) <= 2 * (MOST + 1000)


def test_a_part_that_fails_is_told_with_what_was_accepted(opened, monkeypatch):
    messages, tries, insert = many(2 * MOST), [], opened._publishing.publish

    def flawed(tx, batch):
        tries.append(batch)
        if len(tries) > 1:
            raise EngineError("the disk is on fire")
        return insert(tx, batch)

    monkeypatch.setattr(opened._publishing, "publish", flawed)
    with pytest.raises(OutcomeUnknown, match=r"the first 5,000 of 10,000 messages are accepted"):
        drive(opened.publish(messages))
    monkeypatch.undo()
    again = [receipt.fate for receipt in drive(opened.publish(messages))]
    assert again == [Fate.DUPLICATE] * MOST + [Fate.ACCEPTED] * MOST


def test_a_file_that_becomes_full_takes_what_it_can_and_says_of_each_which(tmp_path):
    settings = Settings(url=f"sqlite:///{tmp_path}/full.db", durability="normal", max_size=4_000_000)
    engine = Sqlite(settings, SystemClock())
    drive(engine.open())
    fates = [receipt.fate for receipt in drive(engine.publish(many(50_000)))]
    accepted = fates.count(Fate.ACCEPTED)
    assert 0 < accepted == fates.index(Fate.FULL) == drive(engine.depth(["q"]))[0].published
    assert set(fates[accepted:]) == {Fate.FULL}
    drive(engine.close())
