"""What reading promises: fates, progress, lists in order, and ends that are forgotten in time."""

from typing import Any

import pytest

from forebay.config import Settings
from forebay.engine.contract import Fate
from forebay.model.lifecycle import State
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Expire, Outcome, Release
from forebay.store.records import Choice
from forebay.testing.conformance.kit import Kit, ident, names

TTL = Settings().result_ttl


class TestFind:
    def test_each_id_has_its_answer(self, kit: Kit) -> None:
        """Known and unknown ids may be mixed; answers stand in the order asked."""
        kit.publish("a", "b")
        found = kit.run(kit.backend.find([ident("b"), ident("nobody"), ident("a")]))
        assert [each and each.id for each in found] == [ident("b"), None, ident("a")]

    def test_a_waiting_message_is_found_whole(self, kit: Kit) -> None:
        """Everything its producer said can be read."""
        fields: dict[str, Any] = {
            "task": "t",
            "body": b"\x80",
            "headers": {"h": "1"},
            "key": "k",
            "priority": 4,
            "lane": "smtp",
        }
        kit.publish("a", unique="u", delay=5, ttl=60, **fields)
        found = kit.found("a")
        assert {name: getattr(found, name) for name in fields} == fields
        assert (found.unique, found.created, found.due) == ("u", kit.now(), kit.now() + 5)
        assert (found.expires, found.state, found.attempt) == (kit.now() + 60, "scheduled", 0)

    def test_a_done_message_is_found_with_its_result(self, kit: Kit) -> None:
        """Fate, times, attempts and result of what is done can be read."""
        kit.needs("results")
        created = kit.now()
        kit.publish("a", task="t")
        (delivery,) = kit.lease()
        kit.advance(2)
        kit.settle(Ack(b"\xc3"), delivery)
        found = kit.found("a")
        assert (found.state, found.result, found.attempt) == ("done", b"\xc3", 1)
        assert (found.queue, found.task, found.created, found.finished) == ("q", "t", created, kit.now())

    def test_finding_nothing_is_allowed(self, kit: Kit) -> None:
        """An empty batch has no answers."""
        assert kit.run(kit.backend.find([])) == []

    def test_a_thousand_at_once(self, kit: Kit) -> None:
        """A large batch of ids is answered whole and in order."""
        called = [f"m{number}" for number in range(1000)]
        kit.publish(*called)
        found = kit.run(kit.backend.find([ident(name) for name in called]))
        assert names([each for each in found if each is not None]) == called


class TestProgress:
    def test_the_last_progress_can_be_read(self, kit: Kit) -> None:
        """Each report replaces the one before."""
        kit.publish("a")
        (delivery,) = kit.lease()
        for value in (b"\x01", b"\x02"):
            assert kit.run(kit.backend.progress(delivery, value))
        assert kit.found("a").progress == b"\x02"

    def test_without_the_lease_there_is_no_progress(self, kit: Kit) -> None:
        """An old fence, a settled message and a lapsed worker report nothing."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.settle(Release(), old)
        assert not kit.run(kit.backend.progress(old, b"\x01"))
        kit.beat("short", lease=15)
        (new,) = kit.lease(worker="short")
        assert not kit.run(kit.backend.progress(old, b"\x01"))
        kit.advance(16)
        assert not kit.run(kit.backend.progress(new, b"\x01"))
        assert kit.found("a").progress is None


class TestMessages:
    def test_the_waiting_are_listed_in_order_of_acceptance(self, kit: Kit) -> None:
        """A list says what is where, whatever the priorities."""
        kit.publish("a", "b")
        kit.publish("c", priority=9)
        assert kit.listed(state=State.READY) == ["a", "b", "c"]

    def test_ends_are_listed_in_the_order_of_their_end(self, kit: Kit) -> None:
        """Who ended last is last."""
        kit.publish("a", "b", "c")
        a, b, c = kit.lease()
        for delivery in (c, a, b):
            kit.settle(Ack(), delivery)
            kit.advance(1)
        assert kit.listed(state=State.DONE) == ["c", "a", "b"]

    def test_by_queue_state_and_task(self, kit: Kit) -> None:
        """Conditions add up; without any, whatever is live matches."""
        kit.publish("a", queue="x", task="mail")
        kit.publish("b", queue="x", task="tidy")
        kit.publish("c", queue="y", task="mail")
        kit.publish("d", queue="y", task="mail", delay=60)
        kit.publish("e", queue="z")
        kit.cancel("e")
        assert kit.listed(queue="x") == ["a", "b"]
        assert kit.listed(task="mail", queue="y") == ["c", "d"]
        assert kit.listed(task="mail", state=State.SCHEDULED) == ["d"]
        assert kit.listed() == ["a", "b", "c", "d"]
        assert kit.listed(queue="z", state=State.CANCELLED) == ["e"]

    @pytest.mark.parametrize("state", [State.READY, State.DONE, State.DEAD])
    def test_pages_follow_one_another(self, kit: Kit, state: State) -> None:
        """Paging by the last id seen shows each message once."""
        called = [f"m{number}" for number in range(25)]
        kit.publish(*called)
        if state is not State.READY:
            kit.settle(Ack() if state is State.DONE else DeadLetter("bug"), *kit.lease())
        pages: list[list[str]] = [kit.listed(state=state, limit=10)]
        while pages[-1]:
            pages.append(kit.listed(state=state, limit=10, after=ident(pages[-1][-1])))
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert sorted(name for page in pages for name in page) == sorted(called)

    def test_a_page_never_begins_again(self, kit: Kit) -> None:
        """If the last one seen has moved on meanwhile, the next page still shows nothing that was shown before."""
        kit.publish("a")
        kit.publish("b", priority=9)
        kit.publish("c")
        assert kit.listed(state=State.READY, limit=2) == ["a", "b"]
        kit.settle(Ack(), *kit.lease(1))
        assert "a" not in kit.listed(state=State.READY, limit=2, after=ident("b"))

    def test_the_newest_live_and_the_newest_ends_are_seen_at_once(self, kit: Kit) -> None:
        """Up to `limit` of each, however many there are; dead letters are ends like any other."""
        kit.publish("a", "b", "c", "d", "e", "f")
        fates: tuple[Outcome, ...] = (Ack(), DeadLetter("bug"), Discard("old"))
        for outcome, delivery in zip(fates, kit.lease(3), strict=True):
            kit.advance(1)
            kit.settle(outcome, delivery)
        assert names(kit.run(kit.backend.latest(2))) == ["e", "f", "b", "c"]
        assert names(kit.run(kit.backend.latest(9))) == ["d", "e", "f", "a", "b", "c"]

    def test_what_a_worker_holds_can_be_read(self, kit: Kit) -> None:
        """Its leases, as it got them, and nobody else's."""
        kit.publish("a", "b", "c")
        mine = kit.lease(2, worker="one")
        kit.lease(worker="two")
        assert kit.run(kit.backend.held("one")) == mine
        assert kit.run(kit.backend.held("nobody")) == []


class TestRetention:
    def test_an_end_is_kept_as_long_as_it_says(self, kit: Kit) -> None:
        """`Ack.keep` seconds after its end a message is forgotten, and its id is free."""
        kit.needs("results")
        kit.finish(Ack(b"\xc0", keep=10))
        kit.advance(9)
        kit.tidy()
        assert kit.state("a") == "done"
        kit.advance(2)
        assert kit.tidy() == 1
        assert kit.find("a") is None
        assert kit.publish("a")[0].fate is Fate.ACCEPTED

    @pytest.mark.parametrize("outcome", [Discard("old"), Cancel(), Expire()])
    def test_other_ends_are_kept_as_configured(self, kit: Kit, outcome: Outcome) -> None:
        """What did not end by success is kept for the usual time."""
        kit.finish(outcome)
        kit.advance(TTL - 1)
        kit.tidy()
        assert kit.find("a") is not None
        kit.advance(2)
        kit.tidy()
        assert kit.find("a") is None

    def test_a_purged_message_is_kept_from_its_purge(self, kit: Kit) -> None:
        """Its time as discarded begins when it was discarded, not when it died."""
        kit.finish(DeadLetter("bug"))
        kit.advance(10 * TTL)
        kit.run(kit.backend.purge(Choice()))
        kit.tidy()
        assert kit.state("a") == "discarded"
        kit.advance(TTL + 1)
        kit.tidy()
        assert kit.find("a") is None

    def test_the_totals_outlive_the_records(self, kit: Kit) -> None:
        """Forgetting an end does not uncount it."""
        kit.finish(Ack(keep=1))
        kit.advance(2)
        kit.tidy()
        assert (kit.depth().done, kit.depth().published) == (1, 1)

    def test_tidying_takes_small_bites(self, kit: Kit) -> None:
        """At most `limit` in one call, so that nobody waits long behind it."""
        called = [f"m{number}" for number in range(10)]
        kit.publish(*called)
        kit.settle(Ack(keep=1), *kit.lease())
        kit.advance(2)
        assert [kit.tidy(4), kit.tidy(4), kit.tidy(4), kit.tidy(4)] == [4, 4, 2, 0]

    def test_live_messages_are_never_tidied_away(self, kit: Kit) -> None:
        """Whatever waits or runs without a time to live is there after any time."""
        kit.publish("ready", "running")
        kit.publish("scheduled", delay=86400 * 400)
        kit.lease(1)
        kit.advance(86400 * 365)
        assert kit.tidy() == 0
        assert sorted(kit.listed()) == ["ready", "running", "scheduled"]
