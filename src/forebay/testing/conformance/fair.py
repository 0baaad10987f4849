"""What a fair queue promises: keys share the workers by run time, nobody takes all the slots, nobody starves."""

from collections import Counter
from typing import Any

from forebay.flow.fair import SLOWLY
from forebay.model.outcome import Ack, Cancel, Release, Retry
from forebay.testing.conformance.kit import BOOM, Kit, names


class Shared:
    """A queue with a worker that has 8 slots, in the hands of a test."""

    def __init__(self, kit: Kit, slots: int = 8, **more: Any) -> None:
        kit.needs("fair")
        self.kit, self.slots = kit, slots
        kit.declare(fair=True, **more)
        kit.beat("w", queues=["q"], concurrency=slots)
        self.running: list[Any] = []

    def publish(self, key: str, n: int, **more: Any) -> None:
        """`n` messages of a key, or of a task."""
        self.kit.publish(*(f"{key}{number}" for number in range(n)), **{"key": key, **more})

    def fill(self) -> Counter[str]:
        """Lease for all free slots; how many of each key, or task, run then."""
        self.running += self.kit.lease(self.slots - len(self.running))
        return self.now()

    def now(self) -> Counter[str]:
        """How many of each run."""
        return Counter(one.key or one.task for one in self.running)

    def end(self, took: float, *keys: str, outcome: Any = None) -> None:
        """What runs of these keys, of all if none is named, ends."""
        some = [one for one in self.running if not keys or (one.key or one.task) in keys]
        self.kit.settle(outcome or Ack(), *some, took=took)
        self.running = [one for one in self.running if one not in some]

    def work(self, rounds: int, **took: float) -> Counter[str]:
        """Run some rounds in which what runs takes so long; how often each key started."""
        total = Counter[str]()
        for _ in range(rounds):
            total += self.fill()
            for key in self.now():
                self.end(took.get(key, 0.1), key)
        return total


class TestFair:
    def test_one_that_is_alone_has_all_the_slots(self, kit: Kit) -> None:
        """What nobody else wants is not kept from it."""
        shared = Shared(kit)
        shared.publish("a", 20)
        assert shared.fill() == {"a": 8}

    def test_who_sends_more_gets_no_more(self, kit: Kit) -> None:
        """Keys that all have enough to do have equally many slots, whoever came first."""
        shared = Shared(kit)
        shared.publish("noisy", 200)
        shared.publish("quiet", 20)
        started = shared.work(5)
        assert started == {"noisy": 20, "quiet": 20}

    def test_shares_are_of_run_time(self, kit: Kit) -> None:
        """A key whose messages run three times as long starts a third as many."""
        shared = Shared(kit, slots=1)
        shared.publish("long", 200)
        shared.publish("short", 200)
        shared.work(20, long=0.3, short=0.1)
        started = shared.work(80, long=0.3, short=0.1)
        assert 55 <= started["short"] <= 65

    def test_weights_say_who_gets_how_much(self, kit: Kit) -> None:
        """Three times as much for one of weight 3."""
        shared = Shared(kit, slots=1, weights=(("gold", 3.0),))
        shared.publish("gold", 100)
        shared.publish("plain", 100)
        started = shared.work(80)
        assert 58 <= started["gold"] <= 62

    def test_who_was_idle_has_saved_nothing_up(self, kit: Kit) -> None:
        """And who ran alone meanwhile owes nothing for that."""
        shared = Shared(kit, slots=1)
        shared.publish("a", 100)
        shared.work(50)
        shared.publish("late", 50)
        assert 9 <= shared.work(20)["late"] <= 11

    def test_a_key_that_was_not_fair_to_others_waits(self, kit: Kit) -> None:
        """What it took counts although it was not expected, also where nothing of it waited then."""
        shared = Shared(kit, slots=1)
        for key in ("a", "b"):
            shared.publish(key, 1)
        shared.work(2, a=5.0, b=0.1)
        kit.publish("a-next", key="a")
        kit.publish("b-next", key="b")
        assert kit.take(1) == ["b-next"]

    def test_a_slot_stays_free_for_others_that_ran_lately(self, kit: Kit) -> None:
        """Who takes more than its share leaves a part of the slots; a minute after the others it has them all."""
        shared = Shared(kit)
        shared.publish("noisy", 100)
        shared.publish("quiet", 1)
        shared.fill()
        shared.end(0.1)
        assert shared.fill() == {"noisy": 6}
        kit.publish("again", key="quiet")
        assert shared.fill() == {"noisy": 6, "quiet": 1}
        shared.end(0.1)
        kit.advance(61)
        assert shared.fill() == {"noisy": 8}

    def test_a_worker_gets_nothing_ahead_of_its_slots_while_long_runs_take_them(self, kit: Kit) -> None:
        """It would wait there, while another worker is free; where all are short, it may have some ahead."""
        shared = Shared(kit, slots=4)
        kit.beat("other", queues=["q"], concurrency=4)
        shared.publish("long", 100)
        shared.work(2, long=0.5)
        assert shared.fill() == {"long": 4}
        kit.publish("next", key="quiet")
        assert kit.take(3) == []
        assert kit.take(1, worker="other") == ["next"]
        for _ in range(12):
            shared.end(0.001)
            shared.fill()
        kit.settle(Ack(), *kit.run(kit.backend.held("other")), worker="other", took=0.001)
        assert len(kit.take(2)) == 2

    def test_slow_keys_leave_room_together(self, kit: Kit) -> None:
        """However many they are; and it ends when they are fast again."""
        shared = Shared(kit)
        for n in range(12):
            shared.publish(f"slow{n}", 30)
            shared.publish(f"fast{n}", 12)
        slow = {f"slow{n}": 60.0 for n in range(12)}
        shared.work(12, **{f"fast{n}": 0.005 for n in range(12)}, **slow)
        for _ in range(40):
            counts = shared.fill()
            assert sum(n for key, n in counts.items() if key.startswith("slow")) <= 6
            if fast := [key for key in counts if key.startswith("fast")]:
                shared.end(0.005, *fast)
        assert len(shared.running) == 4, "so many others have needed half of the slots at once"
        kit.publish("late", key="fast0")
        assert shared.fill()["fast0"] == 1

    def test_a_slow_lane_is_fast_again_when_its_messages_are(self, kit: Kit) -> None:
        """No operator is needed for that."""
        shared = Shared(kit, slots=4)
        shared.publish("fast", 300)
        shared.publish("turned", 300)
        shared.work(8, fast=0.005, turned=10.0)
        for _ in range(60):
            assert sum(shared.fill().values()) > 0
            shared.end(0.005)
        kit.publish(*(f"x{n}" for n in range(4)), key="turned2")
        assert shared.fill()["turned"] >= 1

    def test_messages_without_a_key_share_by_task(self, kit: Kit) -> None:
        """A task that floods a queue leaves room for the others."""
        shared = Shared(kit)
        kit.publish(*(f"flood{n}" for n in range(100)), task="flood")
        kit.publish(*(f"other{n}" for n in range(3)), task="other")
        assert shared.fill() == {"flood": 4, "other": 3}

    def test_what_ends_in_any_way_frees_its_slot(self, kit: Kit) -> None:
        """Cancelled, tried again, handed back, lost with its worker: none of them is counted for ever."""
        shared = Shared(kit)
        shared.publish("a", 40)
        shared.publish("b", 40)
        for outcome in (Cancel("stop"), Retry(0, BOOM), Release()):
            assert shared.fill() == {"a": 4, "b": 4}
            shared.end(0.1, outcome=outcome)
        shared.fill()
        kit.lose("w")
        kit.beat("v", queues=["q"], concurrency=8)
        assert Counter(one.key for one in kit.lease(8, worker="v")) == {"a": 4, "b": 4}

    def test_other_bounds_hold_as_well(self, kit: Kit) -> None:
        """A rate of the queue, a number of slots of each key, order, gates of keys."""
        shared = Shared(kit, key_concurrency=2)
        for key in ("a", "b", "c"):
            shared.publish(key, 5)
        kit.close_gate(key="b")
        assert shared.fill() == {"a": 2, "c": 2}
        kit.open_gate(key="b")
        assert shared.fill() == {"a": 2, "b": 2, "c": 2}
        shared.end(0.1)
        kit.declare(fair=True, ordered=True)
        first = [name for name in names(kit.lease(8)) if name.startswith("a")]
        assert len(first) == 1

    def test_within_a_key_the_priority_counts(self, kit: Kit) -> None:
        """As everywhere; between keys it does not."""
        shared = Shared(kit)
        kit.publish("low", key="a")
        kit.publish("high", key="a", priority=5)
        kit.publish("mine", key="b")
        assert set(kit.take(2)) == {"high", "mine"}
        assert shared.slots == 8
        shared.publish("a", 2)
        kit.publish("urgent", "next", key="a", priority=5)
        assert kit.take(4) == ["urgent", "next", "low", "a0"]  # several at once, too

    def test_it_can_be_turned_on_and_off_while_messages_wait(self, kit: Kit) -> None:
        """They are shared out by what holds now, and none is left behind."""
        kit.needs("fair")
        kit.publish(*(f"a{n}" for n in range(30)), key="a")
        kit.publish(*(f"b{n}" for n in range(3)), key="b")
        shared = Shared(kit)
        got = [shared.fill() for _ in range(3)][-1]
        assert got["b"] == 3
        kit.declare()
        shared.end(0.1)
        left = Counter[str]()
        while some := kit.lease(8):
            left.update(one.key or "" for one in some)
            kit.settle(Ack(), *some)
        assert left == {"a": 26}


class TestClasses:
    def test_a_small_weight_is_a_minimum_share_and_no_bound(self, kit: Kit) -> None:
        """However much of greater weight waits, it gets its part; and all that the others leave."""
        shared = Shared(kit, slots=1, weights=(("bulk", 1.0), ("urgent", 9.0)))
        shared.publish("bulk", 60)
        shared.publish("urgent", 72, priority=9)
        assert 7 <= shared.work(80)["bulk"] <= 9
        assert shared.work(50)["bulk"] >= 48


class TestCrowds:
    def test_a_slow_lane_says_why_it_waits_while_slots_are_free(self, kit: Kit) -> None:
        """It is not next in line: nothing of it starts in the slots that are kept for the others."""
        shared = Shared(kit)
        shared.publish("slow", 100)
        shared.publish("fast", 20)
        shared.work(8, slow=60.0, fast=0.005)
        while shared.fill()["fast"]:
            shared.end(0.005, "fast")
        assert len(shared.running) < shared.slots
        (lane,) = [one for one in kit.depth().lanes if one.ready]
        assert (lane.lane, lane.go, lane.why) == ("|key:slow", None, SLOWLY)

    def test_slow_keys_leave_as_many_slots_as_the_others_need_at_once(self, kit: Kit) -> None:
        """A quarter if that is enough for them; and half at the most."""
        shared = Shared(kit, slots=16)
        shared.publish("slow", 400)
        shared.publish("fast", 5)
        shared.work(5, slow=60.0, fast=0.005)
        for n in range(5):
            kit.publish(f"alone{n}", key="fast")
            assert shared.fill() == {"slow": 12, "fast": 1}
            shared.end(0.005, "fast")
        for burst in range(4):
            kit.publish(*(f"burst{burst}-{n}" for n in range(8)), key="fast")
            while shared.fill()["fast"]:
                shared.end(0.005, "fast")
            shared.end(60.0, "slow")
        assert shared.fill() == {"slow": 8}
        kit.publish(*(f"last{n}" for n in range(8)), key="fast")
        assert shared.fill() == {"slow": 8, "fast": 8}
