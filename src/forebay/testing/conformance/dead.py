"""What dead letters promise: kept with their story until somebody redrives or purges them."""

from forebay.engine.contract import Fate
from forebay.model.lifecycle import State
from forebay.model.outcome import Ack, DeadLetter
from forebay.store.records import Choice
from forebay.testing.conformance.kit import BOOM, Kit, ident


def kill(kit: Kit, *called: str, queue: str = "q", unique: str | None = None) -> None:
    """Publish messages, one after the other, and let each end dead."""
    for name in called:
        kit.publish(name, queue=queue, unique=unique, body=name.encode(), task="t")
        (delivery,) = kit.lease(queues=[queue])
        kit.settle(DeadLetter("bug", BOOM), delivery)
        kit.advance(1)


class TestDead:
    def test_they_are_listed_with_their_story(self, kit: Kit) -> None:
        """Dead messages are listed in the order of their death."""
        kill(kit, "a", "b", "c")
        assert kit.listed(state=State.DEAD) == ["a", "b", "c"]
        assert (kit.depth().dead, kit.depth().died) == (3, 3)

    def test_time_does_not_touch_them(self, kit: Kit) -> None:
        """However long they lie there, tidying leaves them alone."""
        kill(kit, "a")
        kit.advance(365 * 86400)
        kit.tidy()
        assert kit.state("a") == "dead"

    def test_redriven_they_start_anew(self, kit: Kit) -> None:
        """A redriven message runs again under its id, its attempts and losses counted from zero."""
        kill(kit, "a")
        old = kit.found("a")
        assert kit.run(kit.backend.redrive(Choice(ids=[ident("a")]))) == 1
        assert (kit.found("a").state, kit.found("a").attempt, kit.found("a").finished) == ("ready", 0, None)
        (delivery,) = kit.lease()
        assert (delivery.id, delivery.attempt, delivery.lost, delivery.body) == (old.id, 1, 0, b"a")
        assert (delivery.task, delivery.queue) == ("t", "q")
        assert kit.settle(Ack(), delivery) == [True]
        assert (kit.state("a"), kit.depth().dead, kit.depth().done) == ("done", 0, 1)

    def test_a_redriven_message_has_a_new_fence(self, kit: Kit) -> None:
        """A worker that still holds the lease from before the death settles nothing."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.settle(DeadLetter("bug"), old)
        kit.run(kit.backend.redrive(Choice(ids=[ident("a")])))
        (new,) = kit.lease()
        assert new.fence > old.fence
        assert kit.settle(Ack(), old) == [False]
        assert kit.settle(Ack(), new) == [True]

    def test_a_quarantined_message_is_redriven_like_any_other(self, kit: Kit) -> None:
        """Its losses are forgotten: it takes three more to bury it again."""
        kit.publish("a")
        for number in range(3):
            kit.lease(worker=f"w{number}")
            kit.recover(f"w{number}")
        assert kit.run(kit.backend.redrive(Choice())) == 1
        kit.lease(worker="next")
        kit.lose("next")
        assert (kit.state("a"), kit.found("a").lost) == ("ready", 1)

    def test_redriven_past_its_time_it_runs_all_the_same(self, kit: Kit) -> None:
        """Who redrives a message wants it to run, even if its time to live is over."""
        kit.publish("a", ttl=60)
        kit.settle(DeadLetter("bug"), *kit.lease())
        kit.advance(3600)
        kit.run(kit.backend.redrive(Choice()))
        assert kit.take() == ["a"]

    def test_by_id_by_queue_or_all(self, kit: Kit) -> None:
        """Both verbs take ids, a queue, or neither, and count what they did."""
        kill(kit, "a", "b", queue="x")
        kill(kit, "c", "d", queue="y")
        assert kit.run(kit.backend.redrive(Choice(ids=[ident("a"), ident("nobody")]))) == 1
        assert kit.run(kit.backend.redrive(Choice(queue="y"))) == 2
        assert kit.run(kit.backend.redrive(Choice())) == 1
        assert kit.listed(state=State.DEAD) == []

    def test_the_oldest_go_first(self, kit: Kit) -> None:
        """A limit takes the ones that have been dead longest."""
        kill(kit, "a", "b", "c", "d")
        assert kit.run(kit.backend.redrive(Choice(), limit=1)) == 1
        assert kit.run(kit.backend.purge(Choice(), limit=2)) == 2
        assert kit.listed(state=State.DEAD) == ["d"]
        assert (kit.state("a"), kit.state("b"), kit.state("c")) == ("ready", "discarded", "discarded")

    def test_the_oldest_of_those_named_by_id_go_first(self, kit: Kit) -> None:
        """In whatever order they are named."""
        kill(kit, "a", "b", "c")
        assert kit.run(kit.backend.redrive(Choice(ids=[ident(name) for name in "cba"]), limit=1)) == 1
        assert kit.run(kit.backend.purge(Choice(ids=[ident(name) for name in "cb"]), limit=1)) == 1
        assert (kit.state("a"), kit.state("b"), kit.state("c")) == ("ready", "discarded", "dead")

    def test_a_limit_counts_what_was_done_and_a_name_given_twice_is_once(self, kit: Kit) -> None:
        """Names that are not dead use up none of the limit."""
        kill(kit, "a", "b")
        assert kit.run(kit.backend.purge(Choice(ids=[ident("nobody"), ident("b"), ident("b")]), limit=1)) == 1
        assert kit.run(kit.backend.redrive(Choice(ids=[ident("a"), ident("a")]))) == 1
        assert (kit.state("a"), kit.state("b"), kit.depth().ready, kit.depth().dead) == ("ready", "discarded", 1, 0)

    def test_redriven_it_joins_the_end_of_its_line(self, kit: Kit) -> None:
        """What waits already is not held up by many that come back; and its age counts anew."""
        kill(kit, "a")
        kit.publish("b")
        kit.advance(10)
        kit.run(kit.backend.redrive(Choice()))
        assert kit.found("a").created == kit.now()
        assert kit.take() == ["b", "a"]

    def test_purged_they_are_discarded(self, kit: Kit) -> None:
        """A purged message has ended as discarded, is counted as such, and never comes back."""
        kill(kit, "a")
        assert kit.run(kit.backend.purge(Choice())) == 1
        assert kit.state("a") == "discarded"
        assert (kit.depth().dead, kit.depth().discarded) == (0, 1)
        assert kit.run(kit.backend.redrive(Choice(ids=[ident("a")]))) == 0
        assert kit.publish("a")[0].fate is Fate.DUPLICATE

    def test_only_the_dead_are_redriven_or_purged(self, kit: Kit) -> None:
        """Live and otherwise ended messages are left alone by both."""
        kit.finish(Ack())
        kit.publish("ready")
        everything = [ident("a"), ident("ready")]
        assert kit.run(kit.backend.redrive(Choice(ids=everything))) == 0
        assert kit.run(kit.backend.purge(Choice(ids=everything))) == 0
        assert (kit.state("a"), kit.state("ready")) == ("done", "ready")

    def test_a_unique_key_that_is_taken_keeps_it_dead(self, kit: Kit) -> None:
        """Redriving never makes two live messages of one unique key; the dead one stays and is not counted."""
        kit.needs("unique")
        kill(kit, "a", unique="k")
        kit.publish("b", unique="k")
        assert kit.run(kit.backend.redrive(Choice())) == 0
        assert (kit.state("a"), kit.state("b")) == ("dead", "ready")
        kit.cancel("b")
        assert kit.run(kit.backend.redrive(Choice())) == 1
        assert kit.publish("c", unique="k")[0].id == ident("a")

    def test_of_two_dead_with_one_key_one_comes_back(self, kit: Kit) -> None:
        """The same holds among the redriven themselves: the oldest takes the key."""
        kit.needs("unique")
        kill(kit, "a", "b", unique="k")
        assert kit.run(kit.backend.redrive(Choice())) == 1
        assert (kit.state("a"), kit.state("b")) == ("ready", "dead")
