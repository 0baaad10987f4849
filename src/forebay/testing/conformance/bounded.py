"""Queues that hold only so much: what comes in, what is refused, and what is never refused."""

import threading
import time
from typing import Any

import pytest

from forebay.engine.contract import Fate, Receipt
from forebay.engine.full import room
from forebay.model.lifecycle import State
from forebay.model.message import PARENT, Carried, Message
from forebay.model.outcome import Ack, DeadLetter, Release, Retry
from forebay.model.queue import QueueSpec
from forebay.model.ruling import SHED
from forebay.store.records import Choice, Schedule
from forebay.testing.conformance.kit import BOOM, PATIENCE, PROMPT, Kit, ident, in_threads


def limited(kit: Kit, limit: int, queue: str = "q", **more: Any) -> None:
    """Declare a queue with a limit."""
    kit.needs("limits")
    kit.run(kit.backend.declare([QueueSpec(name=queue, limit=limit, **more)]))


def fates(receipts: list[Receipt]) -> list[Fate]:
    """What became of each."""
    return [receipt.fate for receipt in receipts]


class TestBounded:
    def test_what_fits_is_taken_in_order_and_the_rest_refused(self, kit: Kit) -> None:
        """Of a batch the first ones come in; each receipt says which, and of those that are refused why and by whom."""
        limited(kit, 3)
        receipts = kit.publish("a", "b", "c", "d", "e")
        assert fates(receipts) == [Fate.ACCEPTED] * 3 + [Fate.FULL] * 2
        assert [one.id for one in receipts] == [ident(name) for name in "abcde"]
        assert kit.take() == ["a", "b", "c"]
        full = receipts[4].full
        assert full is not None
        assert (full.queue, full.on_full, full.why) == ("q", "reject", "3 messages wait, and limit=3")
        assert (receipts[4].retry_after or 0) > 0

    def test_one_by_one_it_is_the_same(self, kit: Kit) -> None:
        """Whoever publishes one message is refused like whoever brings many."""
        limited(kit, 2)
        assert [kit.publish(name)[0].fate for name in "abc"] == [Fate.ACCEPTED] * 2 + [Fate.FULL]
        assert (kit.depth().ready, kit.depth().published) == (2, 2)
        assert kit.find("c") is None

    def test_messages_of_several_forms_count_together(self, kit: Kit) -> None:
        """Scheduled ones, ones with a key or a priority, and those of a lane: all that waits takes a place."""
        kit.needs("delays", "unique", "priorities")
        limited(kit, 4)
        made = [
            Message(id=ident("a"), queue="q", delay=60.0), Message(id=ident("b"), queue="q", priority=5),
            Message(id=ident("c"), queue="q", unique="u"), Message(id=ident("d"), queue="q", lane="cpu", key="k"),
            Message(id=ident("e"), queue="q"), Message(id=ident("f"), queue="other"),
        ]  # fmt: skip
        assert fates(kit.run(kit.backend.publish(made))) == [Fate.ACCEPTED] * 4 + [Fate.FULL, Fate.ACCEPTED]
        assert kit.publish("g", delay=1.0)[0].fate is Fate.FULL

    def test_running_messages_take_no_place(self, kit: Kit) -> None:
        """What is leased leaves room for another one, before it has ended."""
        limited(kit, 2)
        kit.publish("a", "b")
        kit.lease(1)
        assert fates(kit.publish("c", "d")) == [Fate.ACCEPTED, Fate.FULL]

    def test_other_queues_have_room(self, kit: Kit) -> None:
        """A limit is that of its queue alone."""
        limited(kit, 1)
        kit.publish("a")
        assert kit.publish("b", queue="other")[0].fate is Fate.ACCEPTED
        assert kit.publish("c")[0].fate is Fate.FULL

    def test_a_duplicate_is_one_in_a_full_queue_as_well(self, kit: Kit) -> None:
        """What was accepted before is answered as ever: whoever publishes again is not told that it was refused."""
        kit.needs("unique")
        limited(kit, 2)
        kit.publish("a")
        kit.publish("b", unique="u")
        assert kit.publish("a") == [Receipt(ident("a"), Fate.DUPLICATE)]
        assert kit.publish("c", unique="u") == [Receipt(ident("b"), Fate.DUPLICATE)]
        assert fates(kit.publish("c", "a", "d")) == [Fate.FULL, Fate.DUPLICATE, Fate.FULL]
        (first,) = kit.lease(1)
        kit.settle(Ack(), first)
        kit.publish("e")
        assert kit.publish("a") == [Receipt(ident("a"), Fate.DUPLICATE)]

    def test_one_whose_unique_key_is_free_since_its_holder_is_too_late_takes_a_place(self, kit: Kit) -> None:
        """It is a further message: the other one waits until it is tidied away."""
        kit.needs("unique")
        limited(kit, 2)
        kit.publish("late", unique="u", ttl=5)
        kit.advance(6)
        assert [fates(kit.publish(name, unique="u")) for name in ("b", "c")] == [[Fate.ACCEPTED], [Fate.DUPLICATE]]
        assert fates(kit.publish("d")) == [Fate.FULL]
        limited(kit, 1)
        kit.tidy()
        assert fates(kit.publish("d")) == [Fate.FULL]
        assert kit.take() == ["b"]

    def test_newer_arguments_need_no_room(self, kit: Kit) -> None:
        """A debounced message takes the place of the one that waits."""
        kit.needs("unique", "delays")
        limited(kit, 1)
        kit.publish("a", unique="u", debounce=5.0)
        assert kit.publish("b", unique="u", debounce=5.0)[0].fate is Fate.MERGED
        assert kit.publish("c", unique="v", debounce=5.0)[0].fate is Fate.FULL

    def test_a_new_limit_holds_at_once(self, kit: Kit) -> None:
        """Raised, lowered below what waits, and taken away: what waits stays."""
        limited(kit, 2)
        kit.publish("a", "b")
        limited(kit, 3)
        assert fates(kit.publish("c", "d")) == [Fate.ACCEPTED, Fate.FULL]
        limited(kit, 1)
        assert kit.depth().ready == 3
        assert kit.publish("d")[0].fate is Fate.FULL
        kit.declare()
        assert kit.publish("d")[0].fate is Fate.ACCEPTED

    def test_a_declaration_tells_what_was_before(self, kit: Kit) -> None:
        """A limit is declared as rates are: the worker that was started last says what holds."""
        first = QueueSpec(name="q", limit=5, on_full="reject")
        ((before, now),) = kit.run(kit.backend.declare([first]))
        assert (before, now) == (QueueSpec(name="q"), first)
        mild = QueueSpec(name="q", limit=7, on_full="reject", mild=True)
        ((before, now),) = kit.run(kit.backend.declare([mild]))
        assert (before, now) == (first, first)

    def test_a_limit_goes_with_rates_and_keys(self, kit: Kit) -> None:
        """Where keys wait apart, or a rate holds up starts, the queue is counted as a whole."""
        kit.needs("meters")
        limited(kit, 4, key_concurrency=1, rate=1000.0, burst=1000.0)
        for number in range(4):
            assert kit.publish(f"m{number}", key=f"k{number % 2}")[0].fate is Fate.ACCEPTED
        assert kit.publish("n", key="k1")[0].fate is Fate.FULL
        assert len(kit.lease()) == 2
        assert fates(kit.publish("n", "o", "p", key="k3")) == [Fate.ACCEPTED] * 2 + [Fate.FULL]

    def test_what_is_behind_a_gate_counts(self, kit: Kit) -> None:
        """A paused queue fills up as well."""
        limited(kit, 2)
        kit.close_gate()
        assert fates(kit.publish("a", "b", "c")) == [Fate.ACCEPTED] * 2 + [Fate.FULL]

    def test_its_depth_says_since_when_it_has_been_full(self, kit: Kit) -> None:
        """From the first publish that found it so until it has been drained a little."""
        limited(kit, 20)
        assert (kit.depth().limit, kit.depth().full) == (20, 0.0)
        kit.publish(*(f"m{number}" for number in range(20)))
        kit.clock.advance(5.0)
        kit.publish("n")
        began = kit.clock.now()
        kit.clock.advance(60.0)
        kit.publish("o")
        assert kit.depth().full == pytest.approx(began)
        kit.lease(1)
        kit.publish("p")
        assert kit.depth().full == pytest.approx(began)
        kit.lease(10)
        assert kit.depth().full == 0.0
        kit.publish("q")
        kit.publish(*(f"o{number}" for number in range(9)))
        kit.publish("r")
        assert kit.depth().full == pytest.approx(kit.clock.now())
        kit.declare()
        assert (kit.depth().limit, kit.depth().full) == (None, 0.0)

    @pytest.mark.parametrize("side", ["threads", "instances"])
    def test_many_producers_at_once_do_not_overshoot(self, kit: Kit, side: str) -> None:
        """The limit holds for all of them together."""
        limited(kit, 40)
        kits = [kit.fellow() if side == "threads" else kit.peer() for _ in range(5)]

        def publish(number: int) -> list[Fate]:
            answers: list[Fate] = []
            for turn in range(6):
                answers += fates(kits[number].publish(f"m{number}-{turn}"))
                answers += fates(kits[number].publish(*(f"n{number}-{turn}-{each}" for each in range(3))))
            return answers

        answers = in_threads(*(lambda number=number: publish(number) for number in range(5)))
        assert [fate for share in answers for fate in share].count(Fate.ACCEPTED) == 40
        assert (kit.depth().ready, kit.depth().published) == (40, 40)


class TestAge:
    def test_while_the_oldest_has_waited_too_long_nothing_is_taken_in(self, kit: Kit) -> None:
        """However few there are; and once a worker has it, there is room."""
        kit.needs("limits")
        kit.run(kit.backend.declare([QueueSpec(name="q", limit_age=60.0)]))
        kit.publish("a")
        kit.clock.advance(30.0)
        assert kit.publish("b")[0].fate is Fate.ACCEPTED
        kit.clock.advance(31.0)
        (refused,) = kit.publish("c")
        assert refused.fate is Fate.FULL
        assert refused.full is not None
        assert refused.full.why == "the oldest of 2 messages has waited 61 s, and limit_age=60"
        assert kit.depth().full == pytest.approx(kit.clock.now())
        assert fates(kit.publish("d", "e", headers={PARENT: ident("x")})) == [Fate.ACCEPTED] * 2
        assert kit.lease(1)[0].id == ident("a")
        assert fates(kit.publish("c", "f")) == [Fate.ACCEPTED] * 2
        assert kit.depth().full == 0.0

    def test_what_came_back_and_what_is_behind_a_gate_counts_and_what_is_scheduled_does_not(self, kit: Kit) -> None:
        """Its age is since it was ready."""
        kit.needs("delays")
        kit.run(kit.backend.declare([QueueSpec(name="q", limit_age=60.0)]))
        kit.publish("a", delay=100.0)
        kit.clock.advance(90.0)
        assert kit.publish("b")[0].fate is Fate.ACCEPTED
        (delivery,) = kit.lease()
        kit.settle(Retry(0.0, BOOM), delivery)
        kit.close_gate()
        kit.clock.advance(59.0)
        assert kit.publish("c")[0].fate is Fate.ACCEPTED
        kit.clock.advance(2.0)
        assert kit.publish("d")[0].fate is Fate.FULL

    def test_both_limits_hold(self, kit: Kit) -> None:
        """Whichever is reached first, in whichever lane and priority the oldest is."""
        kit.needs("priorities", "meters")
        kit.run(kit.backend.declare([QueueSpec(name="q", limit=3, limit_age=60.0, key_concurrency=1)]))
        kit.publish("a", priority=-5, lane="cpu", key="k")
        assert [kit.publish(name, key=name)[0].fate for name in "bcd"] == [Fate.ACCEPTED] * 2 + [Fate.FULL]
        assert sorted(kit.take(2, caps={"cpu": 0})) == ["b", "c"]
        kit.clock.advance(61.0)
        assert kit.publish("e")[0].fate is Fate.FULL
        kit.take()
        assert kit.publish("e")[0].fate is Fate.ACCEPTED


class TestNeverRefused:
    def test_what_comes_back_is_never_refused(self, kit: Kit) -> None:
        """A retry, a lease that is handed back, a lost worker's message: all wait, over the limit if need be."""
        limited(kit, 4)
        kit.publish("a", "b", "c", "d")
        first, second, third, _ = kit.lease(4)
        kit.publish("e", "f", "g", "h")
        kit.settle(Retry(0.0, BOOM), first)
        kit.settle(Release(), second)
        kit.settle(Retry(60.0, BOOM), third)
        kit.recover("w")
        depth = kit.depth()
        assert (depth.ready, depth.scheduled, depth.running) == (7, 1, 0)
        assert kit.publish("i")[0].fate is Fate.FULL

    def test_a_redrive_is_never_refused(self, kit: Kit) -> None:
        """Dead letters go back into a full queue: they were accepted once."""
        limited(kit, 1)
        kit.publish("a")
        kit.settle(Retry(0.0, BOOM), *kit.lease())
        kit.settle(DeadLetter("no"), *kit.lease())
        kit.publish("b")
        assert kit.run(kit.backend.redrive(Choice())) == 1
        assert kit.depth().ready == 2

    def test_a_tick_of_a_schedule_is_never_refused(self, kit: Kit) -> None:
        """Time goes on whether there is room or not: no tick is lost."""
        limited(kit, 1)
        kit.publish("a")
        now = kit.clock.now()
        form = Message(id="", queue="q", task="tidy")
        planned = Schedule(name="tidy", cron="* * * * *", tz="UTC", message=form, next=now)
        kit.run(kit.backend.put_schedules([planned]))
        fired = kit.run(kit.backend.fire("tidy", now, now + 60, [Message(id=ident("b"), queue="q")]))
        assert (fired, kit.depth().ready) == (True, 2)

    def test_what_has_a_history_is_never_refused(self, kit: Kit) -> None:
        """A message that comes from elsewhere was accepted there."""
        limited(kit, 1)
        kit.publish("a")
        assert kit.publish("b", carried=Carried(attempt=1))[0].fate is Fate.ACCEPTED

    def test_a_child_may_use_the_reserve(self, kit: Kit) -> None:
        """What a running task makes is taken in beyond the limit: 100 more, or a tenth of it."""
        limited(kit, 2)
        kit.publish("a", "b")
        child = {PARENT: ident("x")}
        called = [f"m{number}" for number in range(102)]
        receipts = kit.publish(*called, headers=child)
        assert fates(receipts) == [Fate.ACCEPTED] * 100 + [Fate.FULL] * 2
        assert kit.publish("c")[0].fate is Fate.FULL
        assert kit.publish("d", headers={"x": "y"})[0].fate is Fate.FULL


class TestRoom:
    @pytest.mark.parametrize("side", ["threads", "instances"])
    def test_who_waits_for_room_is_woken_by_a_lease(self, live: Kit, side: str) -> None:
        """What has left the line wakes whoever watches for room, long before they would look by themselves."""
        limited(live, 2)
        live.publish("a", "b", "c")
        other = live.fellow() if side == "threads" else live.peer()
        other.beat()

        def wait() -> float:
            mark = live.run(live.backend.watch([room("q")], 0.0))
            assert live.publish("c")[0].fate is Fate.FULL
            ready.set()
            started = time.monotonic()
            while live.publish("c")[0].fate is Fate.FULL and time.monotonic() < started + PATIENCE:
                live.run(live.backend.watch([room("q")], PATIENCE, mark))
                mark = live.run(live.backend.watch([room("q")], 0.0))
            return time.monotonic() - started

        def lease() -> float:
            ready.wait(PATIENCE)
            time.sleep(0.3)  # whoever waits waits by then, mostly
            assert len(other.lease(1)) == 1
            return 0.0

        ready = threading.Event()
        waited, _ = in_threads(wait, lease)
        assert waited < 0.3 + PROMPT
        assert live.depth().ready == 2


class TestShedding:
    def test_newer_ones_take_the_places_of_the_oldest(self, kit: Kit) -> None:
        """All are accepted; the oldest that wait end as discarded, with the cause, and are counted."""
        kit.needs("browse")
        limited(kit, 3, on_full="shed_oldest")
        assert fates(kit.publish("a", "b", "c")) == [Fate.ACCEPTED] * 3
        assert fates(kit.publish("d", "e")) == [Fate.ACCEPTED] * 2
        assert (kit.depth().ready, kit.depth().discarded, kit.depth().published) == (3, 2, 5)
        assert kit.found("a").state is State.DISCARDED
        assert kit.found("a").cause == SHED
        assert kit.publish("f")[0].fate is Fate.ACCEPTED
        assert kit.take() == ["d", "e", "f"]

    def test_a_batch_that_is_larger_than_the_limit_leaves_its_newest(self, kit: Kit) -> None:
        """As if they had come one by one."""
        limited(kit, 2, on_full="shed_oldest")
        assert fates(kit.publish("a", "b", "c", "d", "e")) == [Fate.ACCEPTED] * 5
        assert (kit.take(), kit.depth().discarded) == (["d", "e"], 3)

    def test_what_runs_stays_and_what_is_scheduled_goes_in_its_turn(self, kit: Kit) -> None:
        """Oldest is who was accepted first, whenever it is due; running ones are no part of the line."""
        kit.needs("delays", "browse")
        limited(kit, 2, on_full="shed_oldest")
        kit.publish("runs")
        (runs,) = kit.lease()
        kit.publish("later", delay=60.0)
        kit.publish("a")
        kit.publish("b")
        assert kit.state("later") is State.DISCARDED
        assert (kit.depth().ready, kit.depth().scheduled) == (2, 0)
        assert kit.settle(Ack(), runs) == [True]
        assert kit.take() == ["a", "b"]

    def test_a_unique_key_is_free_again(self, kit: Kit) -> None:
        """What was shed holds nothing: its key, or its place in a lane of its own."""
        kit.needs("unique")
        limited(kit, 1, on_full="shed_oldest")
        kit.publish("a", unique="u", key="k")
        kit.publish("b", key="k")
        assert kit.publish("c", unique="u", key="k")[0].fate is Fate.ACCEPTED
        assert kit.take() == ["c"]

    def test_duplicates_shed_nothing(self, kit: Kit) -> None:
        """Only what is new takes a place."""
        limited(kit, 2, on_full="shed_oldest")
        kit.publish("a", "b")
        assert fates(kit.publish("a", "b")) == [Fate.DUPLICATE] * 2
        assert kit.take() == ["a", "b"]

    def test_what_is_not_new_sheds_nothing(self, kit: Kit) -> None:
        """A retry, or one with a history, goes over the limit; the next new message has it drained again."""
        kit.needs("browse")
        limited(kit, 2, on_full="shed_oldest")
        kit.publish("a", "b")
        (first,) = kit.lease(1)
        kit.publish("c")
        kit.settle(Retry(0.0, BOOM), first)
        kit.publish("d", carried=Carried(attempt=1))
        assert (kit.depth().ready, kit.depth().discarded) == (4, 0)
        kit.publish("e")
        assert (kit.depth().ready, kit.depth().discarded) == (2, 3)
        assert {kit.state(name) for name in "abc"} == {State.DISCARDED}

    def test_where_keys_wait_apart_as_well(self, kit: Kit) -> None:
        """The oldest of the whole queue goes, whichever line it stands in."""
        kit.needs("meters")
        limited(kit, 3, on_full="shed_oldest", key_concurrency=1)
        for number in range(5):
            kit.publish(f"m{number}", key=f"k{number % 2}")
        assert kit.depth().ready == 3
        assert sorted(kit.take()) == ["m2", "m3"]
