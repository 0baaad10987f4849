"""What going on in another queue promises: the same message, with its history, once, and behind a queue's own rules."""

from typing import Any

import pytest

from forebay.model.lifecycle import State
from forebay.model.message import Failure
from forebay.model.outcome import Ack, Lose, Park, Reroute, Retry
from forebay.testing.conformance.kit import Kit, ident, names


class TestReroutes:
    def test_it_is_the_same_message_with_its_history_in_another_queue(self, kit: Kit) -> None:
        """Its id, body, key, attempts, failure and age; who has leased it can settle it no more."""
        kit.publish("a", task="t", key="k", unique="u", priority=3, headers={"trace": "1"}, body=b"\x01")
        assert kit.settle(Retry(0.0, Failure("Oops", "once")), kit.lease()[0]) == [True]
        (delivery,) = kit.lease()
        assert delivery.attempt == 2
        assert kit.settle(Reroute("r", "rule x", {"trace": "1", "via": "q"}), delivery) == [True]
        assert kit.settle(Ack(), delivery) == [False]
        found = kit.found("a")
        assert (found.queue, found.state, found.attempt, found.cause) == ("r", State.READY, 1, "rule x")
        assert (found.key, found.unique, found.priority, found.failure) == ("k", "u", 3, Failure("Oops", "once"))
        assert found.created == delivery.created
        assert kit.lease() == []
        (again,) = kit.lease(queues=["r"])
        assert (again.id, again.task, again.body, again.attempt) == (ident("a"), "t", b"\x01", 2)
        assert again.headers == {"trace": "1", "via": "q"}
        assert again.fence != delivery.fence or again.receipt != delivery.receipt
        assert kit.settle(Ack(), again) == [True]

    def test_both_queues_count_it_where_it_is(self, kit: Kit) -> None:
        """One runs less in the one, one waits more in the other, and no one is counted twice."""
        kit.publish("a", "b")
        first, second = kit.lease()
        assert kit.settle(Reroute("r"), first) == [True]
        q, r = kit.run(kit.backend.depth(["q", "r"]))
        assert (q.ready, q.running, r.ready, r.running, r.published) == (0, 1, 1, 0, 1)
        assert kit.settle(Reroute("r"), second) == [True]
        assert kit.take(queues=["r"]) == ["a", "b"]
        assert kit.listed(queue="q") == []

    @pytest.mark.parametrize(
        "spec",
        [{"concurrency": 1}, {"ordered": True}, {"key_concurrency": 1}, {"fair": True, "concurrency": 1}, {"limit": 1}],
    )
    def test_the_queue_that_it_comes_to_has_its_own_rules(self, kit: Kit, spec: dict[str, Any]) -> None:
        """Its slots, its order of keys; and what is not new is never refused."""
        kit.declare(queue="r", **spec)
        kit.publish("first", queue="r", key="k")
        kit.publish("a", "b", key="k")
        for delivery in kit.lease():
            assert kit.settle(Reroute("r"), delivery) == [True]
        taken = kit.lease(queues=["r"])
        if "limit" in spec:
            assert sorted(names(taken)) == ["a", "b", "first"]
            return
        left = ["a", "b", "first"]
        while left:
            (one,) = taken
            left.remove(*names([one]))
            assert kit.settle(Ack(), one) == [True]
            taken = kit.lease(queues=["r"])

    @pytest.mark.parametrize(
        "spec", [{"concurrency": 1}, {"ordered": True}, {"key_concurrency": 1}, {"fair": True, "concurrency": 1}]
    )
    def test_the_queue_that_it_leaves_goes_on(self, kit: Kit, spec: dict[str, Any]) -> None:
        """Its slot is free, and so is its place in the order of its key."""
        kit.declare(**spec)
        kit.publish("a", "b", key="k")
        (delivery,) = kit.lease()
        assert kit.settle(Reroute("r"), delivery) == [True]
        assert kit.take() == ["b"]

    def test_it_keeps_its_lane_and_meters_unless_a_rule_had_put_it_there(self, kit: Kit) -> None:
        """A provider's lane goes along; that of a rule stays behind."""
        kit.publish("a", lane="smtp", meters=("provider:smtp",))
        assert kit.settle(Reroute("r"), kit.lease()[0]) == [True]
        (there,) = kit.lease(queues=["r"])
        assert there.lane == "smtp"
        assert kit.settle(Park("rule.slow|meter:rule:slow", "slow", pause=0.0), there) == [True]
        assert kit.settle(Reroute("s"), kit.lease(queues=["r"])[0]) == [True]
        (last,) = kit.lease(queues=["s"])
        assert (last.lane, last.attempt) == ("", 1)
        assert kit.settle(Ack(), last) == [True]

    def test_what_was_to_be_cancelled_goes_nowhere(self, kit: Kit) -> None:
        """Who asked it to stop does not want to see it in another queue."""
        kit.publish("a")
        (delivery,) = kit.lease()
        kit.cancel("a")
        assert kit.settle(Reroute("r"), delivery) == [True]
        found = kit.found("a")
        assert found.state is State.CANCELLED

    def test_its_unique_key_is_still_its_own(self, kit: Kit) -> None:
        """Another one is a duplicate of it as before, and may come once it has ended."""
        kit.publish("a", unique="u")
        assert kit.settle(Reroute("r"), kit.lease()[0]) == [True]
        assert kit.publish("b", unique="u")[0].id == ident("a")
        assert kit.settle(Ack(), kit.lease(queues=["r"])[0]) == [True]
        assert kit.publish("c", unique="u")[0].id == ident("c")

    def test_one_that_was_lost_before_is_lost_as_often_there(self, kit: Kit) -> None:
        """The count that quarantines what kills its workers goes along."""
        kit.publish("a")
        assert kit.settle(Lose("gone"), kit.lease()[0]) == [True]
        assert kit.settle(Reroute("r"), kit.lease()[0]) == [True]
        (there,) = kit.lease(queues=["r"])
        assert there.lost == 1
        assert kit.settle(Ack(), there) == [True]
