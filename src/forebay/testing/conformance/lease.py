"""What `lease` promises: what is due, open and waiting, once, in order, with its attempt and fence already counted."""

import pytest

from forebay.model.errors import LeaseLost
from forebay.model.outcome import Ack, Release, Retry
from forebay.testing.conformance.kit import BOOM, Kit, names


class TestLease:
    def test_nothing_waits_nothing_comes(self, kit: Kit) -> None:
        """An empty queue, and one that nobody made, give an empty lease."""
        kit.publish("elsewhere", queue="other")
        assert kit.take(queues=["q", "never-made"]) == []

    def test_no_queues_no_messages(self, kit: Kit) -> None:
        """A worker that listens to nothing gets nothing."""
        kit.publish("a")
        assert kit.take(queues=[]) == []

    def test_order_of_acceptance(self, kit: Kit) -> None:
        """Equals run in the order in which they were accepted, over several publishes."""
        kit.publish("c", "a")
        kit.publish("b")
        assert kit.take() == ["c", "a", "b"]

    def test_priority_comes_first(self, kit: Kit) -> None:
        """Higher runs first, below zero last, and equals keep their order."""
        kit.needs("priorities")
        for name, priority in [("low", -5), ("plain", 0), ("high", 9), ("plain2", 0), ("high2", 9)]:
            kit.publish(name, priority=priority)
        assert kit.take() == ["high", "high2", "plain", "plain2", "low"]

    def test_at_most_what_was_asked(self, kit: Kit) -> None:
        """The limit is kept and the rest stays for the next lease."""
        kit.publish("a", "b", "c")
        assert [kit.take(2), kit.take(2), kit.take(2)] == [["a", "b"], ["c"], []]

    def test_a_message_is_leased_to_one(self, kit: Kit) -> None:
        """What one worker holds, no other gets."""
        kit.publish("a", "b")
        assert kit.take(1, worker="one") == ["a"]
        assert kit.take(worker="two") == ["b"]
        assert (kit.found("a").worker, kit.found("b").worker) == ("one", "two")

    def test_only_the_asked_queues(self, kit: Kit) -> None:
        """A worker gets nothing from queues it did not name."""
        kit.publish("a", queue="x")
        kit.publish("b", queue="y")
        assert kit.take(queues=["y"]) == ["b"]

    def test_a_queue_named_twice_counts_once(self, kit: Kit) -> None:
        """Naming a queue twice neither breaks nor doubles anything."""
        kit.publish("a", "b")
        assert sorted(kit.take(queues=["q", "q"])) == ["a", "b"]

    def test_the_attempt_is_counted_before_the_run(self, kit: Kit) -> None:
        """The count is in the store as soon as the lease is given, so a crash cannot hide it."""
        kit.publish("a")
        (first,) = kit.lease()
        assert (first.attempt, kit.found("a").attempt) == (1, 1)
        kit.settle(Retry(0, BOOM), first)
        (second,) = kit.lease()
        assert (second.attempt, kit.found("a").attempt) == (2, 2)

    def test_the_fence_grows_with_every_lease(self, kit: Kit) -> None:
        """No two leases of a message share a fence, even where the attempt was handed back."""
        kit.publish("a")
        fences: list[int] = []
        for _ in range(4):
            (delivery,) = kit.lease()
            fences.append(delivery.fence)
            kit.settle(Release(), delivery)
        assert fences == sorted(set(fences))

    def test_a_running_message_is_seen_running(self, kit: Kit) -> None:
        """State, worker and start of a running message can be read."""
        kit.publish("a")
        kit.advance(3)
        kit.lease()
        found = kit.found("a")
        assert (found.state, found.worker, found.started) == ("running", "w", kit.now())

    def test_a_worker_that_never_beat_gets_nothing(self, kit: Kit) -> None:
        """Leases belong to registered workers only, and a refused lease takes nothing."""
        kit.publish("a")
        with pytest.raises(LeaseLost):
            kit.ask(worker="stranger")
        assert kit.take() == ["a"]

    def test_a_worker_whose_lease_ran_out_gets_nothing(self, kit: Kit) -> None:
        """A frozen worker that comes back is told before it can take anything."""
        kit.publish("a")
        kit.beat("frozen", lease=15)
        kit.advance(16)
        with pytest.raises(LeaseLost):
            kit.ask(worker="frozen")
        assert kit.take() == ["a"]

    def test_zero_asks_for_nothing(self, kit: Kit) -> None:
        """A limit of zero leases nothing; it only reads what is to stop."""
        kit.publish("a")
        kit.beat()
        assert kit.ask(0).deliveries == []
        assert kit.state("a") == "ready"

    def test_setting_the_date_takes_no_lease_away(self, kit: Kit) -> None:
        """Worker leases are monotonic: an hour's jump of the wall clock does not end them."""
        kit.needs("steady")
        kit.publish("a", "b")
        kit.beat(lease=15)
        (first,) = kit.lease(1)
        kit.set_date(kit.now() + 3600)
        assert list(kit.recover().workers) == []
        assert kit.settle(Ack(), first) == [True]
        assert kit.take() == ["b"]


class TestRotation:
    def test_a_long_queue_starves_nobody(self, kit: Kit) -> None:
        """One lease that is smaller than the longest queue holds something of each."""
        kit.publish(*(f"long{number}" for number in range(100)), queue="long")
        kit.publish("s1", "s2", queue="short")
        assert {"s1", "s2"} <= set(kit.take(10, queues=["long", "short"]))

    def test_one_at_a_time_takes_turns(self, kit: Kit) -> None:
        """Leases of one message go round the queues."""
        for queue in ("x", "y", "z"):
            kit.publish(*(f"{queue}{number}" for number in range(10)), queue=queue)
        got = [kit.take(1, queues=["x", "y", "z"])[0] for _ in range(9)]
        assert {queue: sum(name[0] == queue for name in got) for queue in "xyz"} == {"x": 3, "y": 3, "z": 3}

    def test_what_one_queue_cannot_fill_another_does(self, kit: Kit) -> None:
        """Fairness costs nothing: as long as anything waits, the lease is full."""
        kit.publish(*(f"long{number}" for number in range(100)), queue="long")
        kit.publish("s", queue="short")
        assert len(kit.take(50, queues=["long", "short", "empty"])) == 50

    def test_lanes_of_a_queue_take_turns_too(self, kit: Kit) -> None:
        """A lane with a long backlog does not hold up the other lanes of its queue."""
        kit.publish(*(f"slow{number}" for number in range(100)), lane="slow")
        kit.publish("main")
        kit.publish("quick", lane="quick")
        assert {"main", "quick"} <= set(kit.take(6))

    def test_many_queues_all_get_their_turn(self, kit: Kit) -> None:
        """With more queues than a lease has room for, none waits for more than a few leases."""
        queues = [f"q-{number}" for number in range(50)]
        for queue in queues:
            kit.publish(*(f"{queue}-{number}" for number in range(20)), queue=queue)
        leases = [kit.lease(25, queues=queues) for _ in range(12)]
        assert [len(lease) for lease in leases] == [25] * 12
        assert {delivery.queue for lease in leases for delivery in lease} == set(queues)

    def test_each_lane_keeps_its_order(self, kit: Kit) -> None:
        """Rotation chooses between lanes; inside a lane the order stands."""
        for number in range(20):
            kit.publish(f"x{number:02}", lane="x")
            kit.publish(f"y{number:02}", lane="y")
        got: list[str] = []
        while batch := kit.take(7):
            got += batch
        for lane in "xy":
            assert [name for name in got if name[0] == lane] == [f"{lane}{number:02}" for number in range(20)]


class TestExpiry:
    def test_a_message_past_its_time_is_never_leased(self, kit: Kit) -> None:
        """It ends as expired when its turn comes, and the next one is leased in its stead."""
        kit.publish("stale", ttl=10)
        kit.publish("fresh")
        kit.advance(11)
        assert kit.take(1) == ["fresh"]
        assert kit.state("stale") == "expired"
        assert (kit.depth().expired, kit.depth().ready) == (1, 0)

    def test_in_time_is_in_time(self, kit: Kit) -> None:
        """Before its time is up it is leased, and says when it would have been too late."""
        kit.publish("a", ttl=10)
        accepted = kit.now()
        kit.advance(9)
        (delivery,) = kit.lease()
        assert delivery.expires == accepted + 10

    def test_what_has_started_does_not_expire(self, kit: Kit) -> None:
        """The time to live is for starting; a running message may take as long as it needs."""
        kit.publish("a", ttl=10)
        (delivery,) = kit.lease()
        kit.advance(3600)
        kit.tidy()
        assert kit.state("a") == "running"
        assert kit.settle(Ack(), delivery) == [True]

    def test_a_message_that_comes_back_too_late_expires(self, kit: Kit) -> None:
        """A retry that would begin after the time to live does not begin."""
        kit.publish("a", ttl=10)
        (delivery,) = kit.lease()
        kit.settle(Retry(20, BOOM), delivery)
        kit.advance(21)
        assert kit.take() == []
        kit.tidy()
        assert kit.state("a") == "expired"

    def test_tidying_expires_whatever_waits(self, kit: Kit) -> None:
        """Scheduled and ready messages past their time end without anybody asking for them."""
        kit.publish("ready", ttl=5)
        kit.publish("scheduled", ttl=5, delay=60)
        kit.publish("forever")
        kit.advance(6)
        assert kit.tidy() == 2
        assert [kit.state(name) for name in ("ready", "scheduled", "forever")] == ["expired", "expired", "ready"]

    def test_a_thousand_stale_ones_do_not_hide_a_fresh_one(self, kit: Kit) -> None:
        """However many expired messages stand in front, the fresh one is found."""
        kit.publish(*(f"stale{number}" for number in range(1500)), ttl=5)
        kit.publish("fresh")
        kit.advance(6)
        assert names(kit.lease(1) or kit.lease(1)) == ["fresh"]


class TestCaps:
    """A worker's own bounds by lane: what it has no room for stays for others, and holds up nothing else."""

    def test_a_lane_at_none_is_left_out(self, kit: Kit) -> None:
        """However much waits in it, and however early it came."""
        kit.publish(*(f"c{number}" for number in range(50)), lane="cpu")
        kit.publish("a", "b")
        assert kit.take(10, caps={"cpu": 0}) == ["a", "b"]
        assert kit.take(3, caps={"cpu": 1}) == ["c0"]

    def test_a_lane_gives_no_more_than_its_cap(self, kit: Kit) -> None:
        """The rest of the lease goes to the others."""
        kit.publish(*(f"c{number}" for number in range(10)), lane="cpu")
        kit.publish(*(f"a{number}" for number in range(10)))
        taken = kit.take(10, caps={"cpu": 2})
        assert sorted(taken) == ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "c0", "c1"]

    def test_a_cap_holds_over_all_queues(self, kit: Kit) -> None:
        """It is about the worker, not about a queue."""
        for queue in ("x", "y"):
            kit.publish(f"{queue}1", f"{queue}2", queue=queue, lane="cpu")
        assert len(kit.take(10, queues=["x", "y"], caps={"cpu": 3})) == 3
        assert len(kit.take(10, queues=["x", "y"], caps={"cpu": 3})) == 1

    def test_the_main_lane_can_be_capped_too(self, kit: Kit) -> None:
        """It is a lane like any other, whose name is empty."""
        kit.publish("a", "b")
        kit.publish("c", lane="cpu")
        assert kit.take(10, caps={"": 0}) == ["c"]
