"""What is bound, ordered or paused may change while messages wait, run, or are due later: each of them follows.

Nothing that may start stays where it is because of what was said before, and no slot is granted twice.
"""

from collections.abc import Callable
from typing import Any

import pytest

from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Outcome, Park, Release, Retry, Snooze
from forebay.testing.conformance.kit import BOOM, Kit, names

LATER = [Retry(30, BOOM), Snooze(30), Release(30, "not here")]


def _option(bound: dict[str, Any]) -> str:
    return next(iter(bound))


def one_by_one(kit: Kit) -> list[str]:
    """Run what there is, each to its end before the next look; in which order it came."""
    came: list[str] = []
    while got := kit.lease():
        came += names(got)
        kit.settle(Ack(), *got)
    return came


class TestTogether:
    """Messages of one key that wait in several lanes pass one meter."""

    @pytest.mark.parametrize("lanes", [("cpu", "cpu", "cpu"), ("", "cpu", ""), ("cpu", "", "cpu")], ids="-".join)
    def test_each_lane_goes_on_when_the_slot_of_the_key_is_free(self, kit: Kit, lanes: tuple[str, ...]) -> None:
        """Whichever of them had it."""
        kit.declare(key_concurrency=1)
        for number, lane in enumerate(lanes):
            kit.publish(f"m{number}", key="k", lane=lane)
        for _ in lanes:
            (one,) = kit.lease()
            assert kit.take() == []
            kit.settle(Ack(), one)
        assert kit.depth().ready == 0

    def test_a_slot_of_a_key_is_granted_once(self, kit: Kit) -> None:
        """Also if several lanes of it are looked at in one lease, or in several."""
        kit.declare(key_concurrency=1)
        kit.publish("c1", key="k", lane="cpu")
        kit.publish("m1", "m2", key="k")
        kit.publish("c2", key="k", lane="cpu")
        for left in (4, 3, 2, 1):
            first = kit.lease()
            assert (len(first), kit.take(), kit.depth().ready) == (1, [], left - 1)
            kit.settle(Ack(), *first)

    @pytest.mark.parametrize("bound", [{"rate": 0.01, "burst": 1}, {"key_rate": 0.01, "key_burst": 1}], ids=_option)
    def test_what_did_not_start_gives_its_rate_back_to_whatever_lane_waits_for_it(
        self, kit: Kit, bound: dict[str, Any]
    ) -> None:
        """Not to its own alone, and at once."""
        kit.declare(**bound)
        self._given_back(kit)

    def test_the_rate_of_a_task_is_given_back_likewise(self, kit: Kit) -> None:
        """It is told apart by the meter that has its name."""
        kit.run(kit.backend.put_meters([Meter(name="task:q:t", rate=0.01)]))
        self._given_back(kit)

    @staticmethod
    def _given_back(kit: Kit) -> None:
        lanes = ["", "", "cpu", "cpu"]
        for number, lane in enumerate(lanes):
            kit.publish(f"m{number}", key="k", lane=lane, task="t")
        left = len(lanes)
        while left:
            (one,) = kit.lease()
            assert kit.take() == []
            kit.settle(Release(1e6, "not here"), one)
            left -= 1
        assert kit.take() == []

    def test_a_rate_of_a_key_counts_all_of_its_lanes(self, kit: Kit) -> None:
        """One a second, wherever they wait."""
        kit.declare(key_rate=1, key_burst=1)
        kit.publish("c1", "c2", key="k", lane="cpu")
        kit.publish("m1", "m2", key="k")
        for _ in range(4):
            assert (len(kit.take()), kit.take()) == (1, [])
            kit.advance(1)

    def test_one_that_was_parked_takes_its_turn_when_the_key_has_a_slot(self, kit: Kit) -> None:
        """Its lane waits for what is counted elsewhere."""
        kit.declare(key_concurrency=1)
        kit.publish("a", "b", key="k")
        (first,) = kit.lease()
        kit.settle(Park("smtp", "down"), first)
        kit.advance(60)
        assert sorted(one_by_one(kit)) == ["a", "b"]


class TestChanged:
    """What was apart is apart no more, or the other way round."""

    @pytest.mark.parametrize("outcome", LATER, ids=lambda one: type(one).__name__.lower())
    @pytest.mark.parametrize("about", [{"task": "send"}, {"key": "k"}], ids=["task", "key"])
    def test_what_is_due_later_comes_after_a_pause(self, kit: Kit, outcome: Outcome, about: dict[str, str]) -> None:
        """Even if by then nothing else was left of the task or key that had been paused."""
        fields = {"task": "send", "key": "k"}
        kit.publish("a", **fields)
        (first,) = kit.lease()
        kit.close_gate(**about)
        kit.publish("late", delay=40, **fields)
        kit.settle(outcome, first)
        kit.open_gate(**about)
        kit.publish("b", **fields)
        assert one_by_one(kit) == ["b"]
        kit.advance(60)
        assert sorted(one_by_one(kit)) == ["a", "late"]

    @pytest.mark.parametrize("bound", [{"ordered": True}, {"key_concurrency": 1}, {"key_rate": 1}], ids=_option)
    def test_what_is_due_later_comes_when_keys_are_not_bound_any_more(self, kit: Kit, bound: dict[str, Any]) -> None:
        """Scheduled, or to be tried again."""
        kit.declare(**bound)
        kit.publish("a", key="k")
        kit.settle(Retry(30, BOOM), *kit.lease())
        kit.publish("late", key="k", delay=40)
        kit.declare()
        kit.publish("b", key="k")
        assert one_by_one(kit) == ["b"]
        kit.advance(60)
        assert sorted(one_by_one(kit)) == ["a", "late"]

    @pytest.mark.parametrize("lane", ["", "cpu"])
    def test_what_waits_for_its_key_goes_on_when_keys_have_no_slots_any_more(self, kit: Kit, lane: str) -> None:
        """Whatever tasks were paused meanwhile."""
        kit.declare(key_concurrency=1)
        kit.publish("a", key="k", lane=lane)
        (running,) = kit.lease()
        kit.publish("b", key="k", task="send", lane=lane)
        kit.close_gate(task="send")
        assert kit.take() == []
        kit.open_gate(task="send")
        assert kit.take() == []
        kit.declare()
        assert kit.take() == ["b"]
        kit.settle(Ack(), running)

    def test_what_waited_behind_a_paused_task_goes_on_when_order_is_not_asked_for_any_more(self, kit: Kit) -> None:
        """The pause is of another task than theirs."""
        kit.declare(ordered=True)
        kit.publish("a", key="k", task="paused")
        kit.publish("b", key="k")
        kit.close_gate(task="paused")
        assert kit.take() == []
        kit.declare()
        assert kit.take() == ["b"]

    def test_what_is_tried_again_holds_up_nobody_once_order_is_not_asked_for(self, kit: Kit) -> None:
        """Neither of its key, nor of others; while order is asked for, each of several that failed does."""
        kit.publish("a", "b", key="k")
        first, second = kit.lease()
        kit.declare(ordered=True)
        kit.settle(Retry(100, BOOM), first)
        kit.settle(Retry(50, BOOM), second)
        kit.publish("c", key="k")
        kit.advance(60)
        assert kit.take() == []
        kit.declare()
        kit.publish("d")
        assert sorted(kit.take()) == ["b", "c", "d"]
        kit.advance(100)
        assert kit.take() == ["a"]


class TestBacklog:
    """Order holds for what waits already: what came first goes first."""

    @pytest.mark.parametrize("bound", [{"ordered": True}, {"key_concurrency": 1}], ids=_option)
    def test_what_came_first_goes_first(self, kit: Kit, bound: dict[str, Any]) -> None:
        """By priority, then in order of acceptance, whether it came before the option or after it."""
        kit.publish("a", "b", key="k")
        kit.publish("other")
        kit.publish("c", "d", key="k")
        kit.publish("first", key="k", priority=5)
        kit.declare(**bound)
        kit.publish("e", key="k")
        came = [name for name in one_by_one(kit) if name != "other"]
        assert came == ["first", "a", "b", "c", "d", "e"]

    @pytest.mark.parametrize("bound", [{"ordered": True}, {"key_concurrency": 2}, {"key_rate": 100}], ids=_option)
    @pytest.mark.parametrize("kept", [{}, {"concurrency": 1}, {"rate": 100}], ids=["nothing", "slots", "rate"])
    def test_and_still_does_when_the_option_has_gone(
        self, kit: Kit, bound: dict[str, Any], kept: dict[str, Any]
    ) -> None:
        """Of one key; what came while each key waited by itself goes where the others are, whatever else is bound."""
        for key in ("k", "l"):  # twice: whose turn it was before must not matter
            kit.declare(**bound, **kept)
            kit.publish(*(f"{key}{number}" for number in range(3)), key=key)
            kit.declare(**kept)
            kit.publish(f"{key}3", f"{key}4", key=key)
            came = list[str]()
            while got := kit.lease(1):
                came += names(got)
                kit.settle(Ack(), *got)
                kit.advance(1)
            assert came == [f"{key}{number}" for number in range(5)]

    @pytest.mark.parametrize("kept", [{}, {"key_rate": 100}, {"concurrency": 5}], ids=["nothing", "rate", "slots"])
    def test_a_worker_without_room_for_others_takes_what_was_put_into_a_lane(
        self, kit: Kit, kept: dict[str, Any]
    ) -> None:
        """In an ordered queue a key waits in one line, whatever lanes its messages are of; not any more."""
        kit.declare(ordered=True)
        kit.publish("a", key="k", lane="smtp")
        kit.declare(**kept)
        assert kit.take(caps={"": 0}) == ["a"]

    def test_what_waits_in_a_line_of_its_own_is_not_passed(self, kit: Kit) -> None:
        """Be its task paused: then nothing of its key goes before it."""
        kit.publish("a", key="k", task="paused")
        kit.close_gate(task="paused")
        assert kit.take() == []
        kit.declare(ordered=True)
        kit.publish("b", key="k")
        assert kit.take() == []
        kit.open_gate(task="paused")
        assert one_by_one(kit) == ["a", "b"]

    def test_however_often_the_option_comes_and_goes(self, kit: Kit) -> None:
        """Some are in their places, some are not."""
        for number in range(6):
            kit.declare(ordered=number % 2 == 0)
            kit.publish(f"m{number}", key="k")
            assert kit.take(caps={"": 0}) == []
        kit.declare(ordered=True)
        assert one_by_one(kit) == [f"m{number}" for number in range(6)]


def _cancelled(kit: Kit) -> None:
    kit.cancel("a")


def _expired(kit: Kit) -> None:
    kit.advance(50)


def _overtaken(kit: Kit) -> None:
    kit.publish("b0", key="k", priority=9)


class TestHead:
    """A line that waits for what holds its first message goes on when another one is first."""

    @pytest.mark.parametrize("goes", [_cancelled, _expired, _overtaken])
    def test_the_next_starts(self, kit: Kit, goes: Callable[[Kit], None]) -> None:
        """Whether the first has ended, or is first no more."""
        kit.declare(ordered=True)
        kit.publish("a", key="k", task="paused", ttl=50)
        kit.publish("b", key="k")
        kit.close_gate(task="paused")
        assert kit.take() == []
        goes(kit)
        assert kit.take() in (["b"], ["b0"])

    def test_those_behind_it_are_parked_as_well(self, kit: Kit) -> None:
        """They are not what a worker could have; autoscaling and `--burst` believe the numbers."""
        kit.declare(ordered=True)
        kit.publish("a", key="k", task="paused")
        kit.publish("b", "c", key="k")
        kit.publish("d", key="other")
        kit.publish("e")
        kit.close_gate(task="paused")
        assert (kit.depth().ready, kit.depth().parked) == (2, 3)
        assert sorted(kit.take()) == ["d", "e"]
        assert (kit.depth().ready, kit.depth().parked) == (0, 3)
        kit.open_gate(task="paused")
        assert (kit.depth().ready, kit.depth().parked) == (3, 0)
