"""What a ticket promises: how many are ahead, and when one is expected to start, told alike by every engine."""

import pytest

from forebay.model.lifecycle import State
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Outcome, Park, Retry, Snooze
from forebay.observe.ticket import Recent, Stand
from forebay.testing.conformance.kit import BOOM, LONG, Kit


def stand(kit: Kit) -> Stand:
    """Where messages stand, for one who looks for the first time."""
    return Stand(kit.backend, kit.backend, Recent(), LONG)


def position(kit: Kit, name: str) -> int | None:
    """How many are ahead of it."""
    return kit.run(stand(kit).position(kit.found(name)))


def wait(kit: Kit, name: str) -> float | None:
    """Seconds until it is expected to start; None if nobody knows."""
    eta = kit.run(stand(kit).eta(kit.found(name)))
    return None if eta is None else round(eta - kit.run(kit.backend.now()), 3)


def serve(kit: Kit, slots: int = 1, running: int = 0, state: str = "running") -> None:
    """A worker beats that serves the queue, with so many slots."""
    kit.beat("w", queues=["q"], concurrency=slots, running=running, state=state)


def teach(kit: Kit, seconds: float) -> None:
    """One message of the queue has run so long."""
    kit.publish("lesson")
    (delivery,) = kit.lease(1)
    kit.settle(Ack(), delivery, took=seconds)


class TestTicket:
    def test_those_that_start_before_it_are_ahead(self, kit: Kit) -> None:
        """By priority, then by acceptance; what runs, has ended or is scheduled stands in no line."""
        kit.publish("a", "b", "c")
        kit.publish("urgent", priority=5)
        kit.publish("later", delay=60)
        assert [position(kit, name) for name in ("urgent", "a", "b", "c")] == [0, 1, 2, 3]
        assert position(kit, "later") is None
        (delivery,) = kit.lease(1)
        assert [position(kit, name) for name in ("urgent", "a", "c")] == [0, 0, 2]
        kit.settle(Ack(keep=LONG), delivery)
        assert position(kit, "urgent") == 0
        assert [kit.state(name) for name in ("urgent", "a", "later")] == [State.DONE, State.READY, State.SCHEDULED]

    def test_behind_a_gate_the_line_is_as_it_was(self, kit: Kit) -> None:
        """Whoever is parked keeps its place."""
        kit.publish("a", "b", "c")
        kit.close_gate()
        assert [(position(kit, name), kit.state(name)) for name in ("a", "c")] == [(0, "parked"), (2, "parked")]

    def test_without_a_worker_nobody_knows(self, kit: Kit) -> None:
        """One that serves other queues, or leaves, changes nothing."""
        kit.publish("a")
        assert wait(kit, "a") is None
        kit.beat("other", queues=["other"], concurrency=9)
        assert wait(kit, "a") is None
        serve(kit, state="draining")
        assert wait(kit, "a") is None
        serve(kit)
        assert wait(kit, "a") == 0.0

    def test_by_run_time_and_slots(self, kit: Kit) -> None:
        """As many as there are slots start at once; until one has ended nobody knows how long the others wait."""
        serve(kit, slots=2)
        kit.publish("a", "b", "c", "d", "e")
        assert [wait(kit, name) for name in "abc"] == [0.0, 0.0, None]
        kit.settle(Ack(), *kit.lease(1), took=10.0)
        assert [wait(kit, name) for name in "bcde"] == [0.0, 0.0, 5.0, 10.0]
        serve(kit, slots=2, running=2)
        assert [wait(kit, name) for name in "bcde"] == [5.0, 10.0, 15.0, 20.0]

    def test_what_has_started_says_when(self, kit: Kit) -> None:
        """It is no estimate any more."""
        serve(kit)
        kit.publish("a")
        kit.lease(1)
        kit.advance(3)
        assert wait(kit, "a") == -3.0

    def test_a_gate_that_opens_is_waited_for_and_another_one_nobody_knows(self, kit: Kit) -> None:
        """Whoever holds it; the latest counts."""
        serve(kit)
        kit.publish("a")
        now = kit.run(kit.backend.now())
        kit.close_gate(until=now + 60, holder="breaker")
        assert wait(kit, "a") == 60.0
        kit.close_gate(reason="operator")
        assert wait(kit, "a") is None
        kit.open_gate()
        assert wait(kit, "a") == 60.0

    def test_a_gate_of_another_lane_holds_up_nobody_else(self, kit: Kit) -> None:
        """As the one of a provider that said when it may be asked again."""
        serve(kit, slots=9)
        kit.publish("mail", lane="smtp")
        kit.publish("plain")
        (mail,) = [one for one in kit.lease() if one.lane == "smtp"]
        kit.settle(Park("smtp", until=kit.run(kit.backend.now()) + 30), mail)
        kit.publish("more")
        assert [wait(kit, name) for name in ("mail", "more")] == [30.0, 0.0]

    def test_one_that_is_scheduled_waits_until_it_is_due(self, kit: Kit) -> None:
        """At the earliest."""
        serve(kit)
        kit.publish("later", delay=60)
        assert wait(kit, "later") == 60.0

    def test_a_rate_is_waited_for(self, kit: Kit) -> None:
        """However many slots there are."""
        serve(kit, slots=100)
        kit.declare(rate=0.5, burst=1)
        kit.publish("a", "b", "c")
        assert [wait(kit, name) for name in "abc"] == [0.0, 2.0, 4.0]
        assert kit.take(1) == ["a"]
        assert [wait(kit, name) for name in "bc"] == [2.0, 4.0]

    def test_a_rate_of_its_key_is_waited_for(self, kit: Kit) -> None:
        """By those of that key alone."""
        serve(kit, slots=100)
        kit.declare(key_rate=0.1, key_burst=1)
        kit.publish("a", "b", "c", key="k")
        kit.publish("x", key="other")
        kit.publish("y")
        assert [wait(kit, name) for name in "abcxy"] == [0.0, 10.0, 20.0, 0.0, 0.0]

    def test_slots_of_a_queue_are_waited_for(self, kit: Kit) -> None:
        """However many slots its workers have."""
        serve(kit, slots=100)
        teach(kit, 10.0)
        kit.declare(concurrency=2)
        kit.publish("a", "b", "c", "d")
        assert [wait(kit, name) for name in "abcd"] == [0.0, 0.0, 5.0, 10.0]

    def test_a_key_that_waits_for_itself_alone_is_told_so(self, kit: Kit) -> None:
        """In an ordered queue the line of a key is its own; other keys start beside it."""
        serve(kit, slots=100)
        teach(kit, 10.0)
        kit.declare(ordered=True)
        kit.publish("a1", "a2", "a3", key="a")
        kit.publish("b1", key="b")
        assert [position(kit, name) for name in ("a1", "a2", "a3", "b1")] == [0, 1, 2, 0]
        assert [wait(kit, name) for name in ("a1", "a2", "a3", "b1")] == [0.0, 10.0, 20.0, 0.0]

    def test_a_provider_is_waited_for_by_all_that_need_it(self, kit: Kit) -> None:
        """Its rate and slots bound its own lane; what needs it not goes by."""
        kit.needs("meters")
        kit.run(kit.backend.put_meters([Meter(name="provider:smtp", slots=1), Meter(name="provider:llm", rate=0.1)]))
        serve(kit, slots=100)
        teach(kit, 5.0)
        kit.publish("a", "b", "c", lane="smtp", meters=("provider:smtp",))
        kit.publish("x", "y", "z", lane="llm", meters=("provider:llm",))
        kit.publish("plain")
        assert [position(kit, name) for name in ("a", "b", "c", "x", "y", "plain")] == [0, 1, 2, 0, 1, 0]
        waits = [wait(kit, name) for name in ("a", "b", "c", "plain")]
        assert waits == [0.0, 5.0, 10.0, 0.0]
        assert [wait(kit, name) for name in ("x", "y", "z")] == [0.0, 9.9, 19.9]


class TestInOrder:
    @pytest.fixture(autouse=True)
    def _meters(self, kit: Kit) -> None:
        kit.needs("meters")

    @pytest.mark.parametrize("outcome", [Retry(30, BOOM), Snooze(30)], ids=str)
    def test_behind_one_of_its_key_that_is_tried_again_it_waits_as_long(self, kit: Kit, outcome: Outcome) -> None:
        """Where messages of a key run in their order."""
        serve(kit, slots=4)
        kit.declare(ordered=True)
        teach(kit, 1.0)
        kit.publish("a", "b", key="k")
        kit.settle(outcome, *kit.lease(), took=0.5)
        assert kit.take() == []
        assert 30 <= (wait(kit, "b") or 0) < 35

    def test_behind_one_of_its_key_that_waits_for_a_rate_it_waits_as_long(self, kit: Kit) -> None:
        """Where messages of a key run in their order, and the first of them passes a meter that the others do not."""
        serve(kit, slots=4)
        kit.declare(ordered=True)
        teach(kit, 1.0)
        kit.run(kit.backend.put_meters([Meter(name="provider:slow", rate=1 / 50)]))
        kit.publish("x", "a", key="k", meters=("provider:slow",))
        kit.publish("b", key="k")
        kit.settle(Ack(), *kit.lease(), took=0.5)
        assert kit.take() == []
        assert 45 < (wait(kit, "b") or 0) < 55
        (lane,) = [one for one in kit.depth().lanes if one.lane]
        assert lane.why.startswith("rate ")

    def test_behind_one_of_its_key_that_a_gate_holds_it_waits_as_long(self, kit: Kit) -> None:
        """Where messages of a key run in their order; nobody knows, if nobody knows when that opens."""
        serve(kit, slots=4)
        kit.declare(ordered=True)
        teach(kit, 1.0)
        kit.close_gate(lane="smtp", until=kit.now() + 50)
        kit.publish("a", key="k", lane="smtp")
        kit.publish("b", key="k")
        assert kit.take() == []
        assert 50 <= (wait(kit, "b") or 0) < 55
        kit.close_gate(lane="smtp")
        assert wait(kit, "b") is None
