"""What gates promise: a closed one yields nothing, costs nothing, and touches no message."""

import pytest

from forebay.model.outcome import PAUSE, Ack, Park
from forebay.testing.conformance.kit import Kit


class TestGates:
    def test_a_paused_queue_yields_nothing(self, kit: Kit) -> None:
        """Nothing is leased while its gate is closed; everything afterwards, in its old order."""
        kit.publish("a", "b")
        kit.close_gate(reason="maintenance")
        kit.publish("c")
        assert kit.take() == []
        assert kit.found("a").attempt == 0
        kit.open_gate()
        assert kit.take() == ["a", "b", "c"]

    def test_other_queues_go_on(self, kit: Kit) -> None:
        """One closed gate is no reason to withhold the rest of a lease."""
        kit.publish("a", queue="paused")
        kit.publish("b", queue="open")
        kit.close_gate("paused")
        assert kit.take(queues=["paused", "open"]) == ["b"]

    def test_a_closed_lane_leaves_its_queue_open(self, kit: Kit) -> None:
        """The gate of a lane holds its own messages and no others."""
        kit.publish("mail", lane="smtp")
        kit.publish("plain")
        kit.publish("sms", lane="sms")
        kit.close_gate(lane="smtp", reason="provider down")
        assert sorted(kit.take()) == ["plain", "sms"]
        kit.open_gate(lane="smtp")
        assert kit.take() == ["mail"]

    def test_the_main_lane_has_a_gate_too(self, kit: Kit) -> None:
        """The lane without a name can be closed by itself; that is not the gate of the queue."""
        kit.publish("plain")
        kit.publish("mail", lane="smtp")
        kit.close_gate(lane="")
        assert kit.take() == ["mail"]
        assert not kit.depth().paused
        kit.open_gate(lane="")
        assert kit.take() == ["plain"]

    def test_the_same_lane_of_another_queue_is_another_lane(self, kit: Kit) -> None:
        """Gates belong to a queue and a lane together."""
        kit.publish("a", queue="x", lane="smtp")
        kit.publish("b", queue="y", lane="smtp")
        kit.close_gate("x", "smtp")
        assert kit.take(queues=["x", "y"]) == ["b"]

    def test_both_gates_have_to_be_open(self, kit: Kit) -> None:
        """Opening the queue does not open a closed lane, nor the other way round."""
        kit.publish("mail", lane="smtp")
        kit.close_gate()
        kit.close_gate(lane="smtp")
        kit.open_gate()
        assert kit.take() == []
        kit.close_gate()
        kit.open_gate(lane="smtp")
        assert kit.take() == []
        kit.open_gate()
        assert kit.take() == ["mail"]

    def test_closed_gates_are_listed(self, kit: Kit) -> None:
        """What is closed, since when and why can be read; what was opened is gone from the list."""
        kit.close_gate("q", None, "maintenance")
        kit.advance(5)
        kit.close_gate("q", "smtp", "provider down")
        gates = {(gate.queue, gate.lane): gate for gate in kit.run(kit.backend.gates())}
        assert (gates["q", None].reason, gates["q", None].since) == ("maintenance", kit.now() - 5)
        assert (gates["q", "smtp"].reason, gates["q", "smtp"].since) == ("provider down", kit.now())
        kit.open_gate("q", "smtp")
        assert [(gate.queue, gate.lane) for gate in kit.run(kit.backend.gates())] == [("q", None)]

    def test_each_holder_opens_its_own(self, kit: Kit) -> None:
        """A breaker that recovers does not open what an operator has closed, nor the other way round."""
        kit.publish("mail", lane="smtp")
        kit.close_gate(lane="smtp", reason="not before nine")
        kit.close_gate(lane="smtp", reason="down", holder="breaker")
        kit.open_gate(lane="smtp", holder="breaker")
        assert kit.take() == []
        (gate,) = kit.run(kit.backend.gates())
        assert (gate.holder, gate.reason) == ("operator", "not before nine")
        kit.close_gate(lane="smtp", reason="down", holder="breaker")
        kit.open_gate(lane="smtp")
        assert kit.take() == []
        kit.open_gate(lane="smtp", holder="breaker")
        assert kit.take() == ["mail"]

    def test_a_gate_with_an_end_opens_by_itself(self, kit: Kit) -> None:
        """Then it is not listed any more, what waited is leased, and what was parked is awake."""
        kit.publish("a", "b", lane="smtp")
        (first,) = kit.lease(1)
        kit.close_gate(lane="smtp", reason="429", holder="throttle", until=kit.now() + 30)
        kit.settle(Park("smtp", "429"), first)
        assert [gate.until for gate in kit.run(kit.backend.gates())] == [kit.now() + 30]
        kit.advance(29)
        assert kit.take() == []
        kit.advance(1)
        assert kit.run(kit.backend.gates()) == []
        assert kit.take() == ["a", "b"]

    def test_closed_again_it_takes_the_new_reason_and_end(self, kit: Kit) -> None:
        """And keeps its time, unless it had opened meanwhile."""
        start = kit.now()
        kit.close_gate(reason="429", holder="throttle", until=start + 30)
        kit.advance(10)
        kit.close_gate(reason="still 429", holder="throttle", until=start + 60)
        (gate,) = kit.run(kit.backend.gates())
        assert (gate.reason, gate.since, gate.until) == ("still 429", start, start + 60)
        kit.advance(60)
        kit.close_gate(reason="429", holder="throttle", until=kit.now() + 5)
        (gate,) = kit.run(kit.backend.gates())
        assert (gate.since, gate.until) == (kit.now(), kit.now() + 5)

    def test_closing_and_opening_twice_is_harmless(self, kit: Kit) -> None:
        """Both are about a state, not about a count."""
        kit.publish("a")
        kit.close_gate()
        kit.close_gate()
        assert len(kit.run(kit.backend.gates())) == 1
        kit.open_gate()
        kit.open_gate()
        assert kit.run(kit.backend.gates()) == []
        assert kit.take() == ["a"]

    def test_what_runs_is_not_disturbed(self, kit: Kit) -> None:
        """Pausing stops leases, not work."""
        kit.publish("a")
        (delivery,) = kit.lease()
        kit.close_gate()
        assert kit.settle(Ack(), delivery) == [True]

    def test_a_queue_can_be_paused_before_it_exists(self, kit: Kit) -> None:
        """A gate may be closed ahead of the first message."""
        kit.close_gate("later")
        kit.publish("a", queue="later")
        assert kit.take(queues=["later"]) == []

    def test_paused_shows_in_depth(self, kit: Kit) -> None:
        """The numbers of a queue say whether it is paused; a closed lane is not a paused queue."""
        kit.publish("a")
        kit.close_gate(lane="smtp")
        assert not kit.depth().paused
        kit.close_gate()
        assert kit.depth().paused
        kit.open_gate()
        assert not kit.depth().paused


class TestPark:
    def test_a_parked_message_waits_for_its_gate(self, kit: Kit) -> None:
        """Parked in a closed lane it stays there, at no cost, until the gate opens."""
        kit.close_gate(lane="smtp")
        kit.finish(Park("smtp", "provider down"))
        found = kit.found("a")
        assert (found.state, found.lane, found.cause, found.attempt) == ("parked", "smtp", "provider down", 0)
        kit.advance(3600)
        assert kit.take() == []
        kit.open_gate(lane="smtp")
        assert kit.state("a") == "ready"
        (delivery,) = kit.lease()
        assert (delivery.lane, delivery.attempt) == ("smtp", 1)

    @pytest.mark.parametrize("priority", [5, -1])
    def test_it_comes_back_whatever_its_priority(self, kit: Kit, priority: int) -> None:
        """Nothing of that lane and priority may have been there before."""
        kit.publish("a", priority=priority)
        kit.settle(Park("smtp", "down", kit.now() + 15), *kit.lease())
        kit.advance(15)
        assert kit.take() == ["a"]

    def test_one_that_is_behind_others_lets_them_go_first(self, kit: Kit) -> None:
        """Its lane opens, the others of it start, and it waits for as long as it is behind."""
        kit.publish("a", "b", lane="smtp")
        kit.settle(Park("smtp", "down", kit.now() + 15, behind=5), *kit.lease(1))
        assert (kit.take(), kit.state("a")) == ([], "scheduled")
        kit.advance(15.5)
        assert kit.take() == ["b"]
        kit.advance(5)
        (delivery,) = kit.lease()
        assert (kit.state("a"), delivery.lane, delivery.attempt) == ("running", "smtp", 1)

    def test_only_the_opened_lane_comes_back(self, kit: Kit) -> None:
        """Opening one lane leaves what is parked in another."""
        kit.close_gate(lane="x")
        kit.close_gate(lane="y")
        kit.publish("a", "b")
        a, b = kit.lease()
        kit.settle(Park("x"), a)
        kit.settle(Park("y"), b)
        kit.open_gate(lane="x")
        assert (kit.state("a"), kit.state("b")) == ("ready", "parked")

    def test_opening_the_queue_wakes_every_lane_that_is_open(self, kit: Kit) -> None:
        """What is parked in a lane that is closed itself stays so: nothing calls it ready before it may run."""
        kit.publish("a", "b")
        a, b = kit.lease()
        kit.close_gate()
        kit.close_gate(lane="x")
        kit.settle(Park("x"), a)
        kit.settle(Park("y"), b)
        kit.open_gate()
        assert (kit.state("a"), kit.state("b")) == ("parked", "ready")
        assert (kit.depth().parked, kit.depth().ready) == (1, 1)
        kit.open_gate(lane="x")
        assert (kit.state("a"), kit.depth().parked) == ("ready", 0)

    def test_many_are_woken_however_many_they_are(self, kit: Kit) -> None:
        """In steps, so that nobody else waits for all of them, and all the same before the verb returns."""
        called = [f"m{number}" for number in range(2500)]
        kit.publish(*called)
        kit.close_gate(lane="x")
        kit.settle(Park("x"), *kit.lease(2500))
        assert kit.depth().parked == 2500
        kit.open_gate(lane="x")
        assert (kit.depth().parked, kit.depth().ready) == (0, 2500)

    def test_parked_until_a_time_closes_its_lane_until_then(self, kit: Kit) -> None:
        """In the same step, so that nobody else asks a provider in vain that has said when it may be asked again.

        The gate is the holder's "throttle"; a time that comes sooner than the one before changes nothing.
        """
        kit.needs("meters")
        kit.publish("b", lane="smtp", delay=1)
        kit.finish(Park("smtp", "429", until=kit.now() + 30))
        found = kit.found("a")
        assert (found.state, found.lane, found.cause, found.attempt) == ("parked", "smtp", "429", 0)
        (gate,) = kit.run(kit.backend.gates())
        assert (gate.queue, gate.lane, gate.holder, gate.reason, gate.until) == (
            "q",
            "smtp",
            "throttle",
            "429",
            kit.now() + 30,
        )
        kit.advance(29)
        assert kit.take() == []
        assert kit.depth().parked == 2
        kit.advance(1)
        first, second = kit.lease()
        kit.settle(Park("smtp", "429", kit.now() + 30), first)
        kit.settle(Park("smtp", "429", kit.now() + 5), second)
        kit.advance(29)
        assert kit.take() == []
        kit.advance(1)
        assert sorted(kit.take()) == ["a", "b"]

    def test_parked_in_an_open_lane_it_waits_a_moment(self, kit: Kit) -> None:
        """Nobody has closed the lane (yet, or any more), so no gate will wake it: it does so itself.

        It is not leased again at once, thousands of times a second.
        """
        kit.publish("a")
        (delivery,) = kit.lease()
        for until in (None, kit.now() - 5):
            kit.settle(Park("smtp", "429", until), delivery)
            assert (kit.state("a"), kit.take()) == ("scheduled", [])
            kit.advance(PAUSE)
            (delivery,) = kit.lease()
        assert delivery.attempt == 1

    def test_a_lane_that_is_closed_later_holds_it_too(self, kit: Kit) -> None:
        """Whether the gate closes before or after a message is parked makes no difference."""
        kit.finish(Park("smtp"))
        kit.close_gate(lane="smtp")
        kit.advance(PAUSE)
        assert kit.take() == []
        kit.open_gate(lane="smtp")
        assert kit.take() == ["a"]

    def test_a_parked_message_can_be_cancelled(self, kit: Kit) -> None:
        """What is parked has not started, so it ends at once."""
        kit.close_gate(lane="smtp")
        kit.finish(Park("smtp"))
        assert kit.cancel("a") == ["cancelled"]
        kit.open_gate(lane="smtp")
        assert kit.take() == []

    def test_a_parked_message_expires(self, kit: Kit) -> None:
        """An outage longer than the time to live ends what waits for it."""
        kit.close_gate(lane="smtp")
        kit.finish(Park("smtp"), ttl=60)
        kit.advance(61)
        kit.tidy()
        assert kit.state("a") == "expired"
        assert (kit.depth().parked, kit.depth().expired) == (0, 1)
