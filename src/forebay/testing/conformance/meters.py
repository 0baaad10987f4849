"""What rates and slots promise: so many start, no more and no fewer, whoever asks, and nothing leaks."""

import time
from typing import Any

import pytest

from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Expire, Lose, Outcome, Park, Release, Retry, Snooze
from forebay.store.records import Choice
from forebay.testing.conformance.kit import BOOM, PROMPT, Kit, names

TEN = [f"m{number}" for number in range(10)]


class TestRates:
    def test_so_many_start_a_second(self, kit: Kit) -> None:
        """And in the long run neither more nor fewer, however often somebody asks."""
        kit.declare(rate=5)
        kit.publish(*(f"m{number}" for number in range(200)))
        started = len(kit.take())
        for _ in range(200):
            kit.advance(0.1)
            started += len(kit.take())
        assert started == pytest.approx(100, abs=2)

    def test_after_a_quiet_time_a_burst_starts_at_once(self, kit: Kit) -> None:
        """As many as was said, and no more is saved up."""
        kit.declare(rate=1, burst=4)
        kit.publish(*TEN)
        assert len(kit.take()) == 4
        kit.advance(2)
        assert len(kit.take()) == 2

    def test_all_workers_share_it(self, kit: Kit) -> None:
        """A rate belongs to the queue, not to whoever leases."""
        kit.declare(rate=1, burst=3)
        kit.publish(*TEN)
        assert sum(len(kit.take(1, worker=f"w{number}")) for number in range(10)) == 3

    def test_other_queues_are_not_bound_by_it(self, kit: Kit) -> None:
        """Nor do they lose their turn to one that is."""
        kit.declare(rate=1)
        kit.publish("a", "b", "c")
        kit.publish("d", "e", queue="other")
        assert sorted(kit.take(queues=["q", "other"])) == ["a", "d", "e"]

    def test_a_changed_rate_holds_for_what_waits_already(self, kit: Kit) -> None:
        """Nobody waits by the old one."""
        kit.declare(rate=1 / 3600)
        kit.publish(*TEN)
        assert len(kit.take()) == 1
        kit.advance(10)
        assert kit.take() == []
        kit.declare(rate=1, burst=3)
        kit.advance(5)
        assert len(kit.take()) == 3
        kit.declare()
        assert len(kit.take()) == 6

    def test_who_merely_uses_a_queue_changes_nothing(self, kit: Kit) -> None:
        """A program that has not declared it does not take its bounds away."""
        kit.declare(rate=1)
        kit.publish(*TEN)
        kit.declare(assumed=True)
        assert len(kit.take()) == 1

    def test_a_rate_of_keys_is_each_keys_own(self, kit: Kit) -> None:
        """One that sends much holds up itself alone; messages without a key are not bound."""
        kit.declare(key_rate=1)
        kit.publish(*(f"a{number}" for number in range(5)), key="a")
        kit.publish("b", "c", key="b")
        kit.publish("x", "y")
        assert sorted(kit.take()) == ["a0", "b", "x", "y"]
        kit.advance(1)
        assert sorted(kit.take()) == ["a1", "c"]

    @pytest.mark.parametrize("limit", [1, 10])
    def test_a_queue_of_many_keys_is_one_queue_among_others(self, kit: Kit, limit: int) -> None:
        """Whoever waits beside it does not wait for a turn of each of its keys."""
        kit.declare(key_rate=1)
        for number in range(300):
            kit.publish(f"k{number}", key=f"{number}")
        kit.take(limit, queues=["q", "other"])
        kit.publish("few", queue="other")
        assert any("few" in kit.take(limit, queues=["q", "other"]) for _ in range(20))  # or by chance

    def test_what_costs_more_takes_more(self, kit: Kit) -> None:
        """The rate counts costs: after a dear one the next waits longer."""
        kit.declare(rate=1)
        kit.publish("dear", cost=10.0)
        kit.publish("next", "last")
        assert kit.take() == ["dear"]
        kit.advance(9)
        assert kit.take() == []
        kit.advance(1)
        assert kit.take() == ["next"]

    def test_what_costs_nothing_takes_nothing_and_waits_like_all_others(self, kit: Kit) -> None:
        """Each waits for what started before it, and its own cost is waited for by the next."""
        kit.declare(rate=1)
        kit.publish("a")
        assert kit.take() == ["a"]
        kit.publish("free", "freer", cost=0.0)
        kit.publish("b")
        assert kit.take() == []
        kit.advance(1)
        assert kit.take() == ["free", "freer", "b"]

    def test_how_many_may_start_at_once_holds_for_high_rates_too(self, kit: Kit) -> None:
        """As was said, and not what comes in the moment that a visit may take."""
        kit.declare(rate=1000, burst=2)
        kit.publish(*TEN)
        assert len(kit.take()) == 2

    @pytest.mark.parametrize("bounds", [{"rate": 1}, {"key_rate": 1}], ids=["queue", "key"])
    def test_a_clock_that_was_ahead_for_a_while_holds_up_nothing(self, kit: Kit, bounds: dict[str, Any]) -> None:
        """However far: a rate owes what it owed when it last let something through."""
        kit.declare(**bounds)
        kit.publish("a", "b", "c", key="k")
        date = kit.now()
        kit.set_date(date + 86_400)
        assert kit.take() == ["a"]
        kit.set_date(date)
        assert kit.take() == []
        kit.advance(1)
        assert kit.take() == ["b"]
        kit.advance(1)
        assert kit.take() == ["c"]

    def test_a_waiter_wakes_when_the_rate_allows_the_next(self, live: Kit) -> None:
        """Nobody has to poll for it."""
        live.declare(rate=1)
        live.publish("a", "b")
        assert live.take() == ["a"]
        assert live.take() == []
        start = time.monotonic()
        assert live.take_patiently() == ["b"]
        assert time.monotonic() - start < PROMPT

    @pytest.mark.parametrize("bounds", [{"rate": 20}, {"key_rate": 20}], ids=["queue", "key"])
    def test_a_start_that_comes_before_anybody_waits_for_it_is_not_slept_through(
        self, kit: Kit, bounds: dict[str, Any]
    ) -> None:
        """On a busy host the time between looking and waiting is longer than that between two starts."""
        kit.declare(**bounds)
        kit.lease()
        kit.wait(0.0)  # the first who waits on a server begins to listen, and looks again
        kit.publish(*TEN, key="k")
        assert kit.take()
        assert kit.take() == []
        kit.advance(0.07)
        assert kit.wait() < PROMPT
        assert kit.take()


BOUNDS = [{"rate": 1 / 60}, {"key_rate": 1 / 60}]
UNSTARTED = [
    Release(), Release(5, "later"), Release(5, "no worker here knows it", unknown=True), Expire(), DeadLetter("odd"),
    Discard("dropped"), Park("aside"),
]  # fmt: skip


class TestRefunds:
    @pytest.mark.parametrize("bounds", BOUNDS, ids=["queue", "key"])
    @pytest.mark.parametrize("outcome", UNSTARTED, ids=str)
    def test_what_was_leased_and_has_not_started_takes_nothing(
        self, kit: Kit, outcome: Outcome, bounds: dict[str, Any]
    ) -> None:
        """A rate is about what starts, so that the next one of its key may; what it costs does not matter."""
        kit.declare(**bounds)
        kit.publish("a", key="k", cost=10.0)
        kit.publish("b", "c", key="k")
        (first,) = kit.lease()
        assert kit.take() == []
        kit.settle(outcome, first)
        assert len(kit.take(1)) == 1
        kit.advance(1)
        assert kit.take() == []

    @pytest.mark.parametrize("bounds", BOUNDS, ids=["queue", "key"])
    @pytest.mark.parametrize(
        "outcome", [Ack(), Retry(1000, BOOM), Snooze(1000), DeadLetter("bug"), Cancel(), Lose("killed")], ids=str
    )
    def test_what_has_started_is_paid_for_however_it_ends(
        self, kit: Kit, outcome: Outcome, bounds: dict[str, Any]
    ) -> None:
        """Nothing is given back for it."""
        kit.declare(**bounds)
        kit.publish("a", "b", key="k")
        kit.settle(outcome, *kit.lease(), took=0.5)
        assert kit.take() == []

    def test_what_is_handed_back_late_saves_nothing_up(self, kit: Kit) -> None:
        """After a quiet time as many start at once as was said, however many come back then."""
        kit.declare(rate=1, burst=2)
        kit.publish(*TEN)
        held = kit.lease()
        kit.advance(100)
        kit.settle(Release(1000), *held)
        assert len(kit.take()) == 2

    def test_what_nobody_knows_does_not_hold_up_what_stands_behind_it(self, kit: Kit) -> None:
        """Though it comes first, and comes again and again."""
        kit.declare(rate=1)
        kit.publish(*(f"new{number}" for number in range(20)), task="new")
        kit.publish("a", "b", "c", task="known")
        started: list[str] = []
        for _ in range(3):
            while held := kit.lease():
                unknown = [one for one in held if one.task == "new"]
                kit.settle(Release(0.5, "no worker here knows it", unknown=True), *unknown)
                started += names(one for one in held if one.task == "known")
            kit.advance(1)
        assert started == ["a", "b", "c"]


class TestSlots:
    def test_so_many_run_at_a_time(self, kit: Kit) -> None:
        """Over all workers; each end makes room for one."""
        kit.declare(concurrency=3)
        kit.publish(*TEN)
        held = kit.lease(2) + kit.lease(9, worker="other")
        assert len(held) == 3
        assert kit.take() == []
        kit.settle(Ack(), held[0])
        assert len(kit.take()) == 1

    @pytest.mark.parametrize(
        "outcome",
        [Ack(), Retry(5, BOOM), Retry(0, BOOM), Snooze(5), Release(), Release(5), DeadLetter("bug"), Lose("killed")],
        ids=str,
    )
    def test_every_end_of_a_run_gives_its_slot_back(self, kit: Kit, outcome: Outcome) -> None:
        """Whatever became of it."""
        kit.declare(concurrency=1, key_concurrency=1)
        kit.publish("a", "b", key="k")
        (first,) = kit.lease()
        assert kit.settle(outcome, first) == [True]
        assert [meter.running for meter in kit.meters("queue:q", "key:q:k")] == [0, 0]
        assert len(kit.take()) == 1

    def test_who_runs_of_a_key_is_counted_where_keys_have_slots(self, kit: Kit) -> None:
        """A rate of keys alone has no use for it, and pays nothing for it."""
        kit.declare(key_rate=5)
        kit.publish("a", key="k")
        assert kit.take() == ["a"]
        assert kit.meters("key:q:k")[0].running == 0
        kit.declare(key_rate=5, key_concurrency=2)
        assert kit.meters("key:q:k")[0].running == 1

    def test_a_lost_worker_gives_its_slots_back(self, kit: Kit) -> None:
        """As soon as it is buried."""
        kit.declare(concurrency=2)
        kit.publish(*TEN)
        assert len(kit.take(worker="lost")) == 2
        kit.lose("lost")
        assert kit.meters("queue:q")[0].running == 0
        assert len(kit.take()) == 2

    def test_what_is_asked_to_stop_keeps_its_slot_until_it_does(self, kit: Kit) -> None:
        """A slot is about what runs."""
        kit.declare(concurrency=1)
        kit.publish("a", "b")
        (first,) = kit.lease()
        kit.cancel("a")
        assert kit.take() == []
        kit.settle(Retry(0, BOOM), first)
        assert (kit.state("a"), kit.take()) == ("cancelled", ["b"])

    def test_what_ends_while_it_waits_takes_none(self, kit: Kit) -> None:
        """Cancelled, expired, purged, redriven: none of that touches a slot."""
        kit.declare(concurrency=1)
        kit.publish("a", "b", "c")
        kit.publish("late", ttl=5)
        kit.cancel("a")
        (held,) = kit.lease()
        kit.settle(DeadLetter("bug"), held)
        kit.advance(6)
        kit.tidy()
        kit.run(kit.backend.redrive(Choice()))
        kit.settle(DeadLetter("bug"), *kit.lease())
        kit.run(kit.backend.purge(Choice()))
        assert kit.meters("queue:q")[0].running == 0
        assert len(kit.take()) == 1

    def test_a_bound_that_comes_later_counts_what_runs_already(self, kit: Kit) -> None:
        """Nothing more starts before enough of it has ended."""
        kit.publish(*TEN)
        held = kit.lease(4)
        kit.declare(concurrency=3)
        assert kit.meters("queue:q")[0].running == 4
        assert kit.take() == []
        kit.settle(Ack(), *held[:2])
        assert len(kit.take()) == 1

    def test_slots_of_keys_are_each_keys_own(self, kit: Kit) -> None:
        """One key that is slow holds up itself alone."""
        kit.declare(key_concurrency=1)
        kit.publish("a", "b", key="k1")
        kit.publish("c", "d", key="k2")
        held = kit.lease()
        assert sorted(names(held)) == ["a", "c"]
        kit.settle(Ack(), *held[:1])
        assert len(kit.take()) == 1

    def test_what_has_no_key_is_not_bound_by_slots_of_keys(self, kit: Kit) -> None:
        """In whatever lane it waits."""
        kit.declare(key_concurrency=1)
        kit.publish("a", "b", "c", meters=("provider:smtp",))
        kit.publish("d", "e", task="slow")
        kit.publish("f", "g", key="k")
        assert sorted(kit.take()) == ["a", "b", "c", "d", "e", "f"]

    def test_a_waiter_wakes_when_a_slot_is_free(self, live: Kit) -> None:
        """Whoever freed it."""
        live.declare(concurrency=1)
        live.publish("a", "b")
        (first,) = live.lease(worker="other")
        assert live.take() == []
        live.settle(Ack(), first, worker="other")
        assert live.wait() < 2.0
        assert live.take() == ["b"]


class TestMeters:
    @pytest.fixture(autouse=True)
    def _meters(self, kit: Kit) -> None:
        kit.needs("meters")

    def test_one_that_a_message_names_is_shared_by_queues(self, kit: Kit) -> None:
        """Those that do not name it pass."""
        kit.run(kit.backend.put_meters([Meter(name="provider:smtp", slots=1)]))
        kit.publish("a", "b", meters=("provider:smtp",))
        kit.publish("c", queue="other", meters=("provider:smtp",))
        kit.publish("d", queue="other")
        held = kit.lease(queues=["q", "other"])
        assert (len(held), "d" in names(held)) == (2, True)
        kit.settle(Ack(), *held)
        assert len(kit.take(queues=["q", "other"])) == 1

    def test_an_older_generation_changes_nothing(self, kit: Kit) -> None:
        """Of two who have read the same, one writes."""
        meter = Meter(name="provider:smtp", slots=1)
        assert kit.run(kit.backend.put_meters([meter])) == [True]
        assert kit.run(kit.backend.put_meters([meter])) == [False]
        (known,) = kit.meters("provider:smtp")
        assert (known.slots, known.generation) == (1, 1)

    def test_one_of_a_queue_that_bounds_nothing_is_there_until_it_is_dropped(self, kit: Kit) -> None:
        """Then its generations begin anew."""
        meter = Meter(name="queue:q")
        assert kit.run(kit.backend.put_meters([meter])) == [True]
        assert [(one.rate, one.slots, one.generation) for one in kit.meters("queue:q")] == [(None, None, 1)]
        kit.run(kit.backend.drop_meters(["queue:q"]))
        assert kit.meters("queue:q") == []
        assert kit.run(kit.backend.put_meters([meter])) == [True]

    def test_one_that_is_dropped_bounds_nothing(self, kit: Kit) -> None:
        """Nothing has to pass it any more, what waits already included."""
        kit.run(kit.backend.put_meters([Meter(name="task:q:slow", slots=1)]))
        kit.publish("a", "b", "c", task="slow")
        assert len(kit.take()) == 1
        kit.run(kit.backend.drop_meters(["task:q:slow"]))
        assert len(kit.take()) == 2

    def test_a_task_and_a_key_may_have_one(self, kit: Kit) -> None:
        """Then they wait by themselves, those that wait already too."""
        kit.publish("a", "b", task="slow", key="k")
        kit.publish("c", "d", key="k")
        kit.publish("e", "f")
        kit.run(kit.backend.put_meters([Meter(name="task:q:slow", slots=1), Meter(name="key:q:k", slots=2)]))
        held = names(kit.lease())
        assert {"e", "f"} < set(held)
        assert len(held) == 4
        assert len({"a", "b"} & set(held)) <= 1

    def test_a_parked_message_gives_its_slot_back(self, kit: Kit) -> None:
        """It does not run."""
        kit.declare(concurrency=1)
        kit.close_gate(lane="smtp")
        kit.publish("a", "b")
        (first,) = kit.lease()
        kit.settle(Park("smtp"), first)
        assert kit.take() == ["b"]

    @pytest.mark.parametrize("bounds", [{}, {"fair": True}], ids=str)
    def test_a_waiter_wakes_when_its_rate_allows_though_a_slot_was_what_it_waited_for(
        self, live: Kit, bounds: dict[str, Any]
    ) -> None:
        """First for one and then for the other: a provider has both."""
        live.declare(**bounds)
        live.run(live.backend.put_meters([Meter(name="provider:smtp", rate=2, slots=1)]))
        live.publish("a", "b", meters=("provider:smtp",))
        (first,) = live.lease()
        assert live.take() == []
        live.settle(Ack(), first)
        settled = time.monotonic()
        assert live.take_patiently() == ["b"]
        assert time.monotonic() - settled < PROMPT
