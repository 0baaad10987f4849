"""What the verbs for many promise: those that match all that is asked for, oldest first, a bounded number at a time."""

from typing import Any

import pytest

from forebay.model.lifecycle import State
from forebay.model.outcome import DeadLetter, Park
from forebay.store.records import Choice
from forebay.testing.conformance.kit import Kit, ident


def cancel_all(kit: Kit, limit: int = 1000, **choice: Any) -> int:
    """Cancel what is chosen; how many."""
    return kit.run(kit.backend.cancel_all(Choice(**choice), limit))


def bury(kit: Kit, *called: str, **fields: Any) -> None:
    """Publish messages and let them end dead."""
    kit.publish(*called, **fields)
    kit.settle(DeadLetter("bug"), *kit.lease(queues=[fields.get("queue", "q")]))


class TestMany:
    @pytest.fixture(autouse=True)
    def _cancel(self, kit: Kit) -> None:
        kit.needs("cancel")

    def test_cancelling_meets_all_that_is_asked_for_and_nothing_else(self, kit: Kit) -> None:
        """Queue, task and key narrow a choice down together."""
        kit.publish("a", task="mail", key="k1")
        kit.publish("b", task="mail", key="k2")
        kit.publish("c", task="tidy", key="k1")
        kit.publish("d", task="mail", key="k1", queue="other")
        assert cancel_all(kit, queue="q", task="mail", key="k1") == 1
        assert cancel_all(kit, queue="q", task="mail", key="k1") == 0
        assert [kit.state(name) for name in "abcd"] == ["cancelled", "ready", "ready", "ready"]
        assert cancel_all(kit, task="mail") == 2
        assert kit.state("c") == "ready"

    def test_what_waits_ends_and_what_runs_is_asked_once(self, kit: Kit) -> None:
        """Asked again there is nothing left to do, so that a caller who goes on until then comes to an end."""
        kit.publish("running", "ready")
        kit.publish("scheduled", delay=60)
        (delivery,) = kit.lease(1)
        assert cancel_all(kit) == 3
        assert cancel_all(kit) == 0
        assert [kit.state(name) for name in ("running", "ready", "scheduled")] == ["running", "cancelled", "cancelled"]
        assert list(kit.ask(0).cancelled) == [delivery.id]

    def test_one_state_alone_can_be_meant(self, kit: Kit) -> None:
        """Emptying a queue of what waits leaves what runs in peace."""
        kit.close_gate(lane="smtp")
        kit.publish("running", "parked", "ready")
        kit.publish("scheduled", delay=60)
        _, parked = kit.lease(2)
        kit.settle(Park("smtp"), parked)
        for state, name in ((State.READY, "ready"), (State.SCHEDULED, "scheduled"), (State.PARKED, "parked")):
            assert cancel_all(kit, state=state) == 1
            assert kit.state(name) == "cancelled"
        assert cancel_all(kit, state=State.DONE) == 0
        assert kit.state("running") == "running"
        assert list(kit.ask(0).cancelled) == []

    def test_a_limit_takes_the_oldest(self, kit: Kit) -> None:
        """So that long work can go in steps."""
        kit.publish("a", "b", "c")
        assert cancel_all(kit, limit=2) == 2
        assert [kit.state(name) for name in "abc"] == ["cancelled", "cancelled", "ready"]

    def test_of_those_named_by_id_too_a_limit_takes_the_oldest(self, kit: Kit) -> None:
        """However many, in whatever order they are named; one that was asked to stop before uses up nothing."""
        kit.publish("asked")
        kit.lease()
        called = [f"m{number}" for number in range(1200)]
        kit.publish(*called)
        assert cancel_all(kit, ids=[ident("asked")]) == 1
        ids = [ident(name) for name in reversed(["asked", *called])]
        assert cancel_all(kit, ids=ids, limit=2) == 2
        assert [kit.state(name) for name in ("m0", "m1", "m2", "m1199")] == ["cancelled", "cancelled", "ready", "ready"]

    def test_a_choice_by_id_meets_those_alone(self, kit: Kit) -> None:
        """Unknown and repeated ids do no harm; none at all means nothing, not everything."""
        kit.publish("a", "b")
        assert cancel_all(kit, ids=[]) == 0
        assert cancel_all(kit, ids=[ident("a"), ident("a"), ident("nobody")]) == 1
        assert cancel_all(kit, ids=[ident("b")], queue="other") == 0

    def test_thousands_go_in_one_call(self, kit: Kit) -> None:
        """However a call divides its work, all that is chosen is met once."""
        called = [f"m{number}" for number in range(2500)]
        kit.publish(*called)
        assert cancel_all(kit, 10_000) == 2500
        assert (kit.depth().ready, kit.depth().cancelled) == (0, 2500)

    def test_dead_letters_are_chosen_the_same_way(self, kit: Kit) -> None:
        """Redriving and purging by task and key."""
        bury(kit, "a", task="mail", key="k1")
        bury(kit, "b", task="mail", key="k2")
        bury(kit, "c", task="tidy", key="k1")
        assert kit.run(kit.backend.redrive(Choice(task="mail", key="k1"))) == 1
        assert kit.run(kit.backend.purge(Choice(key="k2", state=State.DEAD))) == 1
        assert kit.run(kit.backend.purge(Choice(state=State.READY))) == 0
        assert [kit.state(name) for name in "abc"] == ["ready", "discarded", "dead"]

    def test_those_that_must_stay_dead_do_not_stand_before_others(self, kit: Kit) -> None:
        """A dead letter whose unique key is held by now is left out, not met again at every step."""
        for name in ("a", "b"):
            bury(kit, name, unique=name)
        bury(kit, "c")
        kit.publish("x", unique="a")
        kit.publish("y", unique="b")
        assert kit.run(kit.backend.redrive(Choice(), limit=1)) == 1
        assert [kit.state(name) for name in "abc"] == ["dead", "dead", "ready"]
