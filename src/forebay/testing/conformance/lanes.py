"""What lanes promise: keys in their order, gates on tasks and keys, turns for everybody, and nothing left behind."""

from typing import Any

import pytest

from forebay.model.lifecycle import State
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, DeadLetter, Outcome, Park, Release, Retry, Snooze
from forebay.testing.conformance.kit import BOOM, Kit, names


class TestOrdered:
    def test_messages_of_a_key_run_one_after_another(self, kit: Kit) -> None:
        """In order of acceptance; other keys, and messages without one, do not wait for them."""
        kit.declare(ordered=True)
        kit.publish("a1", "a2", key="a")
        kit.publish("b1", key="b")
        kit.publish("x", "y")
        held = kit.lease()
        assert sorted(names(held)) == ["a1", "b1", "x", "y"]
        kit.settle(Ack(), *held)
        assert kit.take() == ["a2"]

    @pytest.mark.parametrize("more", [{}, {"fair": True}], ids=str)
    def test_a_rate_that_one_of_a_key_passes_holds_up_none_behind_it_that_does_not(
        self, kit: Kit, more: dict[str, Any]
    ) -> None:
        """Messages of one key may be of several tasks, and of the providers of these."""
        kit.declare(ordered=True, **more)
        kit.run(kit.backend.put_meters([Meter(name="provider:slow", rate=1 / 600)]))
        kit.publish("a", key="k", meters=("provider:slow",))
        kit.publish("b", "c", key="k")
        kit.publish("d", key="k", meters=("provider:slow",))
        for name in ("a", "b", "c"):
            held = kit.lease()
            assert names(held) == [name]
            kit.settle(Ack(), *held, took=0.1)
        assert kit.take() == []
        kit.advance(600)
        assert kit.take() == ["d"]

    @pytest.mark.parametrize("outcome", [Retry(30, BOOM), Snooze(30), Release(30, "not here")], ids=str)
    def test_one_that_is_tried_again_keeps_its_place(self, kit: Kit, outcome: object) -> None:
        """The others of its key wait for it, however long that takes."""
        kit.declare(ordered=True)
        kit.publish("a", "b", key="k")
        (first,) = kit.lease()
        kit.settle(outcome, first)  # type: ignore[arg-type]
        kit.publish("c", key="k")
        kit.advance(29)
        assert kit.take() == []
        kit.advance(1)
        assert kit.take() == ["a"]

    @pytest.mark.parametrize(
        "outcome",
        [Retry(5, BOOM), Retry(0, BOOM), Snooze(5), Release(), Release(5, "not here"), Park("smtp", "down")],
        ids=str,
    )
    def test_nothing_of_its_key_goes_before_one_that_has_started(self, kit: Kit, outcome: Outcome) -> None:
        """Of what has not, the highest priority is first; what has stays first until it ends, whatever comes then."""
        kit.declare(ordered=True)
        kit.publish("low", key="k")
        kit.publish("a", priority=1, key="k")
        (first,) = kit.lease()
        kit.publish("high", priority=9, key="k")
        kit.settle(outcome, first)
        kit.publish("highest", priority=10, key="k")
        assert set(kit.take()) <= {"a"}
        kit.advance(5)
        (again,) = kit.lease() or kit.run(kit.backend.held("w"))
        assert names([again]) == ["a"]
        kit.settle(Ack(), again)
        for name in ("highest", "high", "low"):
            (one,) = kit.lease()
            kit.settle(Ack(), one)
            assert names([one]) == [name]

    def test_a_worker_that_is_lost_loses_nobody_their_place(self, kit: Kit) -> None:
        """What it ran has started."""
        kit.declare(ordered=True)
        kit.publish("a", key="k")
        kit.take(worker="lost")
        kit.publish("high", priority=9, key="k")
        kit.lose("lost")
        assert kit.take() == ["a"]

    def test_one_that_has_started_and_is_too_late_or_cancelled_holds_up_nobody(self, kit: Kit) -> None:
        """It has ended; and so has its claim."""
        kit.declare(ordered=True)
        kit.publish("late", key="k", ttl=10)
        kit.publish("gone", key="other")
        kit.settle(Retry(8, BOOM), *kit.lease())
        kit.publish("b", key="k", priority=-1)
        kit.publish("c", key="other", priority=-1)
        kit.advance(8)
        kit.cancel("gone")
        assert kit.take() == ["late", "c"]
        kit.settle(Retry(1, BOOM), kit.run(kit.backend.held("w"))[0])
        kit.advance(3)
        assert kit.take() == ["b"]

    def test_the_next_goes_on_when_the_first_has_ended_however(self, kit: Kit) -> None:
        """Dead, or cancelled while it waits to be tried again."""
        kit.declare(ordered=True)
        kit.publish("a", "b", "c", key="k")
        kit.settle(DeadLetter("bug"), *kit.lease())
        (second,) = kit.lease()
        kit.settle(Retry(1000, BOOM), second)
        assert (names([second]), kit.take()) == (["b"], [])
        kit.cancel("b")
        assert kit.take() == ["c"]

    def test_order_goes_across_tasks_and_lanes(self, kit: Kit) -> None:
        """A worker that may not have the first of a key gets none of it."""
        kit.declare(ordered=True)
        kit.publish("a", key="k", lane="cpu", task="slow")
        kit.publish("b", key="k", task="quick")
        assert kit.take(caps={"cpu": 0}) == []
        (first,) = kit.lease(caps={"": 0})
        assert (names([first]), first.lane) == (["a"], "cpu")
        assert kit.take() == []

    @pytest.mark.parametrize("later", [{"ordered": True}, {"key_concurrency": 5}, {"key_rate": 0.1}, {}])
    def test_a_gate_of_a_lane_holds_what_is_of_it_whatever_key_it_waits_under(
        self, kit: Kit, later: dict[str, Any]
    ) -> None:
        """And what it lets through is counted so, also once the order is given up."""
        kit.declare(ordered=True)
        kit.publish("a", key="k1", lane="cpu")
        kit.publish("b", key="k2")
        kit.publish("c", key="k1")
        kit.declare(**later)
        kit.close_gate(lane="")
        assert (kit.depth().ready, kit.depth().parked, kit.take()) == (1, 2, ["a"])

    def test_one_that_is_parked_holds_up_its_key_alone(self, kit: Kit) -> None:
        """What came after it would otherwise come before it."""
        kit.declare(ordered=True)
        kit.close_gate(lane="smtp")
        kit.publish("a", "b", key="k1")
        kit.publish("c", key="k2")
        kit.settle(Park("smtp", "down"), *[one for one in kit.lease() if names([one]) == ["a"]])
        assert (kit.state("a"), kit.take()) == ("parked", [])
        kit.open_gate(lane="smtp")
        assert kit.take() == ["a"]

    def test_what_waits_for_one_that_has_started_and_is_parked_is_parked(self, kit: Kit) -> None:
        """Whatever its priority: what has started is first."""
        kit.declare(ordered=True)
        kit.publish("a", key="k", task="slow")
        kit.settle(Retry(0, BOOM), *kit.lease())
        kit.publish("high", key="k", task="quick", priority=9)
        kit.close_gate(task="slow")
        assert (kit.depth().ready, kit.depth().parked, kit.take()) == (0, 2, [])
        kit.open_gate(task="slow")
        kit.close_gate(task="quick")
        assert (kit.depth().ready, kit.depth().parked, kit.take()) == (1, 1, ["a"])

    def test_a_worker_that_is_lost_gives_the_first_back(self, kit: Kit) -> None:
        """Then it runs before the others again."""
        kit.declare(ordered=True)
        kit.publish("a", "b", key="k")
        assert kit.take(worker="lost") == ["a"]
        kit.lose("lost")
        assert kit.take() == ["a"]

    def test_order_that_is_asked_for_later_holds_for_what_waits(self, kit: Kit) -> None:
        """And for what runs."""
        kit.publish("a", "b", "c", key="k")
        (first,) = kit.lease(1)
        kit.declare(ordered=True)
        assert kit.take() == []
        kit.settle(Ack(), first)
        assert kit.take() == ["b"]
        kit.declare()
        assert kit.take() == ["c"]

    def test_order_that_is_given_up_holds_up_nobody(self, kit: Kit) -> None:
        """What waits to be tried again does so by itself from then on."""
        kit.declare(ordered=True)
        kit.publish("a", key="k")
        kit.settle(Retry(30, BOOM), *kit.lease())
        kit.declare()
        kit.publish("b")
        kit.publish("c", key="k")
        assert sorted(kit.take()) == ["b", "c"]


class TestPaused:
    @pytest.mark.parametrize("queue", ["q", ""])
    def test_a_task_waits_and_the_others_go_on(self, kit: Kit, queue: str) -> None:
        """In one queue or in all; those that wait already and those that come."""
        kit.publish("a", "b", task="send")
        kit.publish("c", task="tidy")
        kit.close_gate(queue, task="send", reason="deploy")
        kit.publish("d", task="send")
        assert kit.take() == ["c"]
        assert (kit.depth().ready, kit.depth().parked, kit.state("a"), kit.state("d")) == (0, 3, "parked", "parked")
        kit.open_gate(queue, task="send")
        assert (kit.depth().ready, kit.depth().parked) == (3, 0)
        assert sorted(kit.take()) == ["a", "b", "d"]

    def test_a_key_waits_and_the_others_go_on(self, kit: Kit) -> None:
        """Also where every key waits by itself."""
        for queue in ("q", "bound"):
            kit.declare(queue, key_rate=None if queue == "q" else 1000)
            kit.publish(f"{queue}1", key="k1", queue=queue)
            kit.publish(f"{queue}2", key="k2", queue=queue)
        kit.close_gate("", key="k1")
        assert sorted(kit.take(queues=["q", "bound"])) == ["bound2", "q2"]
        kit.open_gate("", key="k1")
        assert sorted(kit.take(queues=["q", "bound"])) == ["bound1", "q1"]

    def test_a_queue_that_comes_later_is_held_too(self, kit: Kit) -> None:
        """A gate on all queues is about those that nobody has made yet."""
        kit.close_gate("", task="send")
        kit.publish("a", queue="new", task="send")
        kit.publish("b", queue="new", task="tidy")
        assert kit.take(queues=["new"]) == ["b"]

    def test_each_holder_opens_its_own(self, kit: Kit) -> None:
        """As gates of queues and lanes."""
        kit.publish("a", task="send")
        kit.close_gate(task="send")
        kit.close_gate(task="send", holder="breaker", until=kit.now() + 30)
        kit.open_gate(task="send")
        assert kit.take() == []
        kit.advance(30)
        assert kit.take() == ["a"]

    def test_in_their_lane_they_keep_their_order(self, kit: Kit) -> None:
        """By priority, then by acceptance."""
        kit.publish("a", "b", task="send")
        kit.publish("c", task="send", priority=5)
        kit.close_gate(task="send")
        kit.publish("d", task="send")
        assert kit.take() == []
        kit.open_gate(task="send")
        assert kit.take() == ["c", "a", "b", "d"]

    def test_what_is_parked_is_listed_cancelled_and_expired_as_such(self, kit: Kit) -> None:
        """The state is one that can be asked for."""
        kit.publish("a", "b", task="send", ttl=60)
        kit.publish("c", task="tidy")
        kit.close_gate(task="send")
        assert (kit.listed(state=State.PARKED), kit.listed(state=State.READY)) == (["a", "b"], ["c"])
        assert kit.cancel("a") == ["cancelled"]
        kit.advance(61)
        kit.tidy()
        assert (kit.state("b"), kit.depth().parked) == ("expired", 0)

    def test_how_long_the_oldest_is_held_is_told(self, kit: Kit) -> None:
        """Beside the age of what is ready, which it does not disturb."""
        kit.publish("a", task="send")
        kit.advance(10)
        kit.publish("b", task="tidy")
        kit.close_gate(task="send")
        kit.advance(5)
        assert kit.depth().held == pytest.approx(15)
        assert kit.depth().age == pytest.approx(5)


class TestTurns:
    def test_no_lane_starves(self, kit: Kit) -> None:
        """Each key gets its turn, however much the others send."""
        kit.declare(key_concurrency=2)
        for key in range(5):
            kit.publish(*(f"{key}-{number}" for number in range(40)), key=str(key))
        kit.publish(*(f"x{number}" for number in range(40)))
        served: set[str] = set()
        for _ in range(12):
            held = kit.lease(1)
            served |= {name[0] for name in names(held)}
            kit.settle(Ack(), *held)
            kit.advance(0.01)
        assert served == {"0", "1", "2", "3", "4", "x"}

    def test_nothing_is_left_of_lanes_that_have_run_empty(self, kit: Kit) -> None:
        """Neither of their numbers nor of themselves."""
        kit.declare(key_concurrency=1)
        for key in range(20):
            kit.publish(f"m{key}", key=f"k{key}")
        assert len(kit.depth().lanes) == 20
        kit.settle(Ack(), *kit.lease())
        assert kit.depth().lanes == ()

    def test_lanes_are_told_with_what_holds_them_up(self, kit: Kit) -> None:
        """The deepest first, in the scheduler's own words."""
        kit.declare(key_concurrency=1)
        kit.publish("a", "b", "c", key="many")
        kit.publish("d", key="one")
        kit.lease(4)
        (lane, other) = kit.depth().lanes
        assert (lane.ready, lane.running, lane.why) == (2, 1, "1 of 1 slots taken")
        assert (other.ready, other.running) == (0, 1)

    def test_limits_of_a_queue_are_told_with_its_main_lane(self, kit: Kit) -> None:
        """Whoever scales by what waits sees that it waits for no worker; once, not for each key that it holds up."""
        kit.declare(concurrency=2, key_concurrency=1)
        kit.publish("a", "b", "c", "d")
        assert (kit.depth().lanes[0].lane, kit.depth().lanes[0].why) == ("", "")
        kit.lease()
        (lane,) = kit.depth().lanes
        assert (lane.lane, lane.ready, lane.running, lane.go) == ("", 2, 2, None)
        assert lane.why == "2 of 2 slots taken"
        kit.publish("e", key="k")
        assert [(lane.lane, lane.why) for lane in kit.depth().lanes] == [("", "2 of 2 slots taken"), ("|key:k", "")]

    def test_the_rate_of_a_queue_is_told_where_all_wait_in_lanes_of_keys(self, kit: Kit) -> None:
        """With the time at which the next one may start."""
        kit.declare(rate=1 / 60, key_concurrency=5)
        kit.publish("a", "b", key="k")
        kit.lease()
        main = next(lane for lane in kit.depth().lanes if lane.lane == "")
        assert (main.ready, main.why.startswith("rate 1/m, next in ")) == (0, True)
        assert main.go == pytest.approx(kit.now() + 60, abs=0.2)
        kit.declare(key_concurrency=5)
        assert [lane.lane for lane in kit.depth().lanes] == ["|key:k"]
