"""What a feed tells: every arrival once, every end once, in order, however the readings overlap."""

import asyncio
from collections.abc import Sequence

from forebay.model.lifecycle import State
from forebay.observe.feed import MOST, PAGE, Feed
from forebay.store.records import Found


class Listing:
    """The newest of what it is given, as a store would tell them. It holds no rule of ours."""

    def __init__(self) -> None:
        self.live: list[Found] = []
        self.ends: list[Found] = []

    def accept(self, *ids: str, at: float) -> None:
        self.live += [Found(id=id_, queue="q", task="t", state=State.READY, created=at) for id_ in ids]

    def end(self, id_: str, at: float, state: State = State.DONE) -> None:
        self.live = [found for found in self.live if found.id != id_]
        self.ends.append(Found(id=id_, queue="q", task="t", state=state, created=0.0, finished=at))

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        return 0

    async def latest(self, limit: int) -> list[Found]:
        return [*self.live[-limit:], *self.ends[-limit:]]


def told(feed: Feed) -> list[tuple[str, bool]]:
    return [(one.message.id, one.ended) for one in asyncio.run(feed.look())]


def started(listing: Listing, lines: int = 0) -> Feed:
    feed = Feed(listing)
    assert len(asyncio.run(feed.start(lines))) <= lines
    return feed


def test_what_was_there_before_is_told_only_if_asked_for():
    listing = Listing()
    listing.accept("a", "b", at=1.0)
    listing.end("c", 2.0)
    feed = Feed(listing)
    assert [one.message.id for one in asyncio.run(feed.start(2))] == ["b", "c"]
    assert told(feed) == []


def test_arrival_and_end_are_told_once_each():
    listing = Listing()
    feed = started(listing)
    listing.accept("a", at=1.0)
    assert told(feed) == [("a", False)]
    assert told(feed) == []
    listing.end("a", 2.0)
    listing.accept("b", at=1.5)
    assert told(feed) == [("b", False), ("a", True)]
    assert told(feed) == []


def test_what_came_and_ended_in_between_is_told_as_ended():
    listing = Listing()
    feed = started(listing)
    listing.accept("a", at=1.0)
    listing.end("a", 1.1)
    assert told(feed) == [("a", True)]


def test_a_redriven_message_may_end_again():
    listing = Listing()
    feed = started(listing)
    listing.end("a", 1.0, State.DEAD)
    assert told(feed) == [("a", True)]
    listing.ends.clear()
    listing.end("a", 2.0, State.DEAD)
    assert told(feed) == [("a", True)]


def test_old_messages_that_come_into_view_are_not_news():
    listing = Listing()
    listing.accept(*(f"m{number}" for number in range(3 * PAGE)), at=1.0)
    feed = started(listing)
    del listing.live[-PAGE:]
    assert told(feed) == []


def test_a_rush_is_told_whole_up_to_a_bound_and_beyond_it_is_said_so():
    listing = Listing()
    feed = started(listing)
    listing.accept(*(f"a{number}" for number in range(10 * PAGE)), at=1.0)
    assert len(told(feed)) == 10 * PAGE
    assert not feed.overrun
    listing.accept(*(f"b{number}" for number in range(MOST + 5)), at=2.0)
    assert len(told(feed)) == MOST
    assert feed.overrun
