"""What gates promise: a closed one yields nothing, costs nothing, and touches no message."""

from forebay.model.outcome import Ack, Park
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
        kit.clock.advance(5)
        kit.close_gate("q", "smtp", "provider down")
        gates = {(gate.queue, gate.lane): gate for gate in kit.run(kit.backend.gates())}
        assert (gates["q", None].reason, gates["q", None].since) == ("maintenance", kit.now() - 5)
        assert (gates["q", "smtp"].reason, gates["q", "smtp"].since) == ("provider down", kit.now())
        kit.open_gate("q", "smtp")
        assert [(gate.queue, gate.lane) for gate in kit.run(kit.backend.gates())] == [("q", None)]

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
        kit.clock.advance(3600)
        assert kit.take() == []
        kit.open_gate(lane="smtp")
        assert kit.state("a") == "ready"
        (delivery,) = kit.lease()
        assert (delivery.lane, delivery.attempt) == ("smtp", 1)

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

    def test_opening_the_queue_wakes_every_lane(self, kit: Kit) -> None:
        """The gate of a queue stands before all its lanes."""
        kit.close_gate()
        kit.open_gate()
        kit.close_gate(lane="x")
        kit.finish(Park("x"))
        kit.open_gate()
        assert kit.state("a") == "ready"

    def test_parked_in_an_open_lane_is_ready(self, kit: Kit) -> None:
        """A gate that opened before the message came to be parked will not open again: the message is ready at once."""
        kit.finish(Park("smtp"))
        assert kit.state("a") == "ready"
        assert (kit.depth().ready, kit.depth().parked) == (1, 0)
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
        kit.clock.advance(61)
        kit.tidy()
        assert kit.state("a") == "expired"
        assert (kit.depth().parked, kit.depth().expired) == (0, 1)
