"""Queues that hold only so many bytes: the sum of what waits is right after whatever may become of a message."""

from typing import Any

import pytest

from forebay.engine.contract import Fate
from forebay.model.lifecycle import State
from forebay.model.message import PARENT, Carried, Message
from forebay.model.outcome import Ack, DeadLetter, Discard, Outcome, Release, Reroute, Retry, Snooze
from forebay.model.queue import QueueSpec
from forebay.store.records import Choice, Query
from forebay.testing.conformance.bounded import fates
from forebay.testing.conformance.kit import BOOM, Kit, ident

WAITING = State.READY, State.SCHEDULED, State.PARKED


def weighed(kit: Kit, limit_bytes: int, queue: str = "q", **more: Any) -> None:
    """Declare a queue that bounds its bytes."""
    kit.needs("limits")
    kit.run(kit.backend.declare([QueueSpec(name=queue, limit_bytes=limit_bytes, **more)]))


def put(kit: Kit, *sizes: int, prefix: str = "m", **more: Any) -> list[Fate]:
    """Publish messages of these sizes, named after their places, in one call."""
    made = [Message(id=ident(f"{prefix}{n}"), queue="q", body=b"x" * size, **more) for n, size in enumerate(sizes)]
    return fates(kit.run(kit.backend.publish(made)))


def right(kit: Kit, queue: str = "q") -> int:
    """Bytes that wait as the queue says it, which is what they are one by one."""
    found = [kit.run(kit.backend.messages(Query(queue=queue, state=state, limit=1000))) for state in WAITING]
    there = sum(len(one.body) for part in found for one in part)
    assert kit.depth(queue).size == there
    return there


class TestBytes:
    def test_what_fits_is_taken_in_order_and_nothing_overtakes(self, kit: Kit) -> None:
        """Of a batch the first ones come in; what would fit stays behind one that does not."""
        weighed(kit, 100)
        assert put(kit, 40, 50, 20, 5) == [Fate.ACCEPTED] * 2 + [Fate.FULL] * 2
        assert kit.depth().size == 90
        assert put(kit, 5, 5, 1, prefix="n") == [Fate.ACCEPTED] * 2 + [Fate.FULL]
        assert put(kit, 0, prefix="o") == [Fate.ACCEPTED]

    def test_a_batch_of_which_some_do_not_fit_finds_it_full(self, kit: Kit) -> None:
        """Though it was not when the batch began; one that never fits says nothing of the queue."""
        weighed(kit, 100)
        assert put(kit, 95, 200) == [Fate.ACCEPTED, Fate.FULL]
        assert kit.depth().full == 0.0
        assert put(kit, 4, 3, prefix="n") == [Fate.ACCEPTED, Fate.FULL]
        assert kit.depth().full == pytest.approx(kit.clock.now())

    def test_duplicates_take_no_bytes(self, kit: Kit) -> None:
        """Whatever they hold, and wherever in a batch they stand."""
        weighed(kit, 100)
        put(kit, 30)
        made = [("n", 30), ("m0", 90), ("o", 30), ("n", 30), ("p", 20)]
        receipts = kit.run(kit.backend.publish([Message(id=ident(id_), queue="q", body=b"x" * n) for id_, n in made]))
        assert fates(receipts) == [Fate.ACCEPTED, Fate.DUPLICATE, Fate.ACCEPTED, Fate.DUPLICATE, Fate.FULL]
        assert right(kit) == 90

    def test_nothing_overtakes_whatever_form_it_has(self, kit: Kit) -> None:
        """Messages with other keys, too, stay behind what was refused before them in one call."""
        weighed(kit, 100)
        made = [
            Message(id=ident(str(n)), queue="q", body=b"x" * size, key=str(n)) for n, size in enumerate((60, 50, 10, 5))
        ]
        assert fates(kit.run(kit.backend.publish(made))) == [Fate.ACCEPTED] + [Fate.FULL] * 3

    def test_it_says_what_it_holds_and_when_to_come_back(self, kit: Kit) -> None:
        """The receipt has the numbers, and the depth as well."""
        weighed(kit, 1_000)
        put(kit, 600, 300)
        (refused,) = kit.run(kit.backend.publish([Message(id=ident("z"), queue="q", body=b"x" * 200)]))
        assert refused.full is not None
        assert refused.full.why == "2 messages wait with 900 bytes, 200 are to come, and limit_bytes=1,000"
        assert (refused.retry_after or 0) > 0
        depth = kit.depth()
        assert (depth.limit, depth.limit_bytes, depth.size) == (None, 1_000, 900)
        assert depth.full == pytest.approx(kit.clock.now())
        kit.lease(1)
        assert kit.depth().full == 0.0

    def test_one_that_is_larger_than_the_limit_never_fits(self, kit: Kit) -> None:
        """It is refused at once, whatever its queue does when it is full, and holds up nobody behind it."""
        for on_full in ("reject", "wait", "shed_oldest"):
            weighed(kit, 100, on_full=on_full)
            made = [Message(id=ident(f"{on_full}{n}"), queue="q", body=b"x" * size) for n, size in enumerate((101, 10))]
            receipts = kit.run(kit.backend.publish(made))
            assert fates(receipts) == [Fate.FULL, Fate.ACCEPTED]
            full = receipts[0].full
            assert full is not None
            assert (full.on_full, full.never, receipts[0].retry_after) == ("reject", True, None)
            assert full.why == "the message has 101 bytes, more than limit_bytes=100: it never fits"
        assert put(kit, 101, headers={PARENT: ident("x")}) == [Fate.FULL]
        assert right(kit) == 30

    @pytest.mark.parametrize("batch", [(101,), (101, 2), (300, 101)])
    def test_one_that_never_fits_changes_nothing_for_others(self, kit: Kit, batch: tuple[int, ...]) -> None:
        """A queue with room is not full because of it, wherever in a batch it stands, and whether it is alone."""
        for before in (0, 50, 95):
            weighed(kit, 100)
            assert put(kit, before, prefix=f"b{before}") == [Fate.ACCEPTED]
            assert put(kit, *batch, prefix=f"n{before}") == [
                Fate.FULL if size > 100 else Fate.ACCEPTED for size in batch
            ]
            assert kit.depth().full == 0.0
            kit.take()
        assert right(kit) == 0

    def test_both_limits_hold(self, kit: Kit) -> None:
        """Whichever is reached first."""
        weighed(kit, 100, limit=3)
        assert put(kit, 1, 1, 1, 1) == [Fate.ACCEPTED] * 3 + [Fate.FULL]
        kit.take()
        assert put(kit, 60, 60, prefix="n") == [Fate.ACCEPTED, Fate.FULL]

    def test_a_child_may_use_the_reserve(self, kit: Kit) -> None:
        """A tenth of the limit, or one message if that is larger: what is done need not be undone."""
        weighed(kit, 100)
        child = {PARENT: ident("x")}
        assert put(kit, 95, 15, 15, headers=child) == [Fate.ACCEPTED] * 2 + [Fate.FULL]
        kit.take()
        assert put(kit, 100, 5, 5, 5, prefix="n", headers=child) == [Fate.ACCEPTED] * 3 + [Fate.FULL]
        assert put(kit, 1, prefix="o") == [Fate.FULL]

    def test_the_oldest_go_until_it_holds(self, kit: Kit) -> None:
        """As many as have the bytes, and by number where that is bound as well."""
        weighed(kit, 100, on_full="shed_oldest")
        assert put(kit, 30, 30, 30) == [Fate.ACCEPTED] * 3
        assert put(kit, 50, prefix="n") == [Fate.ACCEPTED]
        assert (kit.depth().discarded, right(kit)) == (2, 80)
        assert put(kit, 60, 60, 60, prefix="o") == [Fate.ACCEPTED] * 3
        assert (kit.depth().ready, right(kit)) == (1, 60)

    @pytest.mark.parametrize("before", [{}, {"limit": 4}, {"limit_age": 60.0}, {"lifo": True}], ids=str)
    def test_it_begins_and_ends_with_its_declaration(self, kit: Kit, before: dict[str, Any]) -> None:
        """What waits by then counts, whatever was bound before; a queue that bounds no bytes says nothing of them."""
        kit.needs("limits")
        kit.run(kit.backend.declare([QueueSpec(name="q", **before)]))
        put(kit, 40, 40)
        put(kit, 5, prefix="later", delay=60.0)
        kit.lease(1)
        assert kit.depth().size == 0
        weighed(kit, 100)
        assert (right(kit), kit.depth().limit_bytes) == (45, 100)
        kit.declare()
        assert (kit.depth().size, kit.depth().limit_bytes) == (0, None)
        kit.run(kit.backend.declare([QueueSpec(name="q", **before)]))
        put(kit, 500, prefix="n")
        weighed(kit, 600)
        assert right(kit) == 545

    def test_a_declaration_tells_what_was_before(self, kit: Kit) -> None:
        """As of other limits."""
        kit.needs("limits")
        first = QueueSpec(name="q", limit_bytes=5_000_000_000, on_full="reject")
        ((before, now),) = kit.run(kit.backend.declare([first]))
        assert (before, now) == (QueueSpec(name="q"), first)
        ((before, _),) = kit.run(kit.backend.declare([QueueSpec(name="q", limit=7, on_full="reject")]))
        assert before == first


class TestSum:
    def test_the_sum_is_right_whatever_becomes_of_a_message(self, kit: Kit) -> None:
        """Leased, tried again now and later, handed back, snoozed, dead and redriven, discarded, cancelled, lost."""
        kit.needs("browse", "delays")
        weighed(kit, 10_000)
        put(kit, 1, 2, 4, 8, 16, 32, 64, 128)
        assert right(kit) == 255
        leased = kit.lease(6)
        assert right(kit) == 192
        outcomes: list[Outcome] = [
            Retry(0.0, BOOM),
            Retry(30.0, BOOM),
            Release(),
            Snooze(30.0),
            DeadLetter("no"),
            Discard("old"),
        ]
        for outcome, delivery in zip(outcomes, leased, strict=True):
            kit.settle(outcome, delivery)
        assert right(kit) == 192 + 1 + 2 + 4 + 8
        kit.run(kit.backend.redrive(Choice()))
        assert right(kit) == 192 + 1 + 2 + 4 + 8 + 16
        kit.cancel("m6", "m1")
        assert right(kit) == 128 + 1 + 4 + 8 + 16
        kit.lease(2)
        kit.recover("w")
        assert right(kit) == 128 + 1 + 4 + 8 + 16
        kit.clock.advance(31.0)
        kit.beat("v")
        kit.settle(Ack(), *kit.lease(worker="v"), worker="v")
        assert right(kit) == 0

    def test_the_sum_is_right_when_messages_expire(self, kit: Kit) -> None:
        """On the way of a lease, and when tidied."""
        kit.needs("browse", "delays")
        weighed(kit, 10_000)
        put(kit, 10, 20, ttl=5.0)
        put(kit, 40, prefix="n", ttl=5.0, delay=3.0)
        put(kit, 80, prefix="o")
        kit.clock.advance(6.0)
        kit.lease(1)
        kit.tidy()
        assert right(kit) == 0
        assert kit.depth().expired == 3

    def test_the_sum_is_right_after_newer_arguments(self, kit: Kit) -> None:
        """Larger and smaller ones."""
        kit.needs("browse", "unique", "delays")
        weighed(kit, 1_000)
        for number, size in enumerate((10, 500, 3)):
            put(kit, size, prefix=f"n{number}", unique="u", debounce=5.0)
            assert right(kit) == size

    def test_the_sum_is_right_where_keys_wait_apart(self, kit: Kit) -> None:
        """In lanes of their own, behind gates, and in order."""
        kit.needs("browse", "meters")
        weighed(kit, 1_000, key_concurrency=1)
        for number in range(6):
            put(kit, 10 + number, prefix=f"n{number}", key=f"k{number % 2}")
        kit.close_gate()
        assert right(kit) == 75
        kit.open_gate()
        leased = kit.lease()
        assert right(kit) == 75 - 21
        kit.settle(Retry(0.0, BOOM), *leased)
        assert right(kit) == 75

    def test_the_sum_is_right_of_what_goes_on_in_another_queue(self, kit: Kit) -> None:
        """It leaves the one and comes into the other, whatever that holds."""
        kit.needs("browse")
        weighed(kit, 100)
        weighed(kit, 10, "other")
        put(kit, 30, 40)
        (first,) = kit.lease(1)
        kit.settle(Reroute("other", "because"), first)
        assert (right(kit), right(kit, "other")) == (40, 30)

    def test_the_sum_is_right_of_what_has_a_history(self, kit: Kit) -> None:
        """It is never refused, and counts."""
        weighed(kit, 50)
        assert put(kit, 40, 40, carried=Carried(attempt=1)) == [Fate.ACCEPTED] * 2
        assert kit.depth().size == 80


class TestGrown:
    """Newer arguments of a debounced message, which take the place of the older ones."""

    def test_those_that_fit_get_in_and_larger_ones_are_refused(self, kit: Kit) -> None:
        """What waits stays as it was, and the receipt says why and when there may be room."""
        kit.needs("browse", "unique", "delays")
        weighed(kit, 100)
        soon: dict[str, Any] = {"unique": "u", "debounce": 5.0, "max_wait": 60.0}
        assert put(kit, 50, prefix="other") == [Fate.ACCEPTED]
        assert put(kit, 20, prefix="a", **soon) == [Fate.ACCEPTED]
        assert put(kit, 50, prefix="b", **soon) == [Fate.MERGED]
        before, kept = kit.found("a0"), kit.depth()
        kit.clock.advance(1.0)
        (refused,) = kit.run(kit.backend.publish([Message(id=ident("c"), queue="q", body=b"x" * 51, **soon)]))
        assert (refused.id, refused.fate) == (ident("c"), Fate.FULL)
        assert refused.full is not None
        assert refused.full.why == (
            "2 messages wait with 100 bytes, 51 are to take the place of 50, and limit_bytes=100"
        )
        assert (refused.retry_after or 0) > 0
        assert not refused.full.never
        assert (kit.found("a0"), right(kit)) == (before, kept.size)
        assert kit.depth().full == pytest.approx(kit.clock.now())
        kit.take(1)
        assert put(kit, 51, prefix="c", **soon) == [Fate.MERGED]
        assert right(kit) == 51

    def test_those_that_never_fit_are_told_so(self, kit: Kit) -> None:
        """Whatever its queue does when it is full, and as long as there is room besides."""
        kit.needs("browse", "unique", "delays")
        for on_full in ("reject", "wait", "shed_oldest"):
            weighed(kit, 100, on_full=on_full)
            put(kit, 10, prefix="a", unique="u", debounce=5.0)
            made = [Message(id=ident(on_full), queue="q", body=b"x" * 101, unique="u", debounce=5.0)]
            (refused,) = kit.run(kit.backend.publish(made))
            assert refused.full is not None
            assert (refused.fate, refused.full.never, refused.retry_after) == (Fate.FULL, True, None)
            assert refused.full.why == "the message has 101 bytes, more than limit_bytes=100: it never fits"
            assert (right(kit), kit.depth().full) == (10, 0.0)

    def test_smaller_ones_get_in_whatever_waits(self, kit: Kit) -> None:
        """They leave room, even if the limit was lowered below what is there; one of the same size changes nothing."""
        kit.needs("browse", "unique", "delays")
        weighed(kit, 1_000)
        put(kit, 50, prefix="other")
        put(kit, 90, prefix="a", unique="u", debounce=5.0)
        weighed(kit, 100)
        assert put(kit, 90, prefix="b", unique="u", debounce=5.0) == [Fate.MERGED]
        assert put(kit, 91, prefix="c", unique="u", debounce=5.0) == [Fate.FULL]
        assert put(kit, 70, prefix="d", unique="u", debounce=5.0) == [Fate.MERGED]
        assert right(kit) == 120

    def test_later_ones_of_a_call_do_not_overtake(self, kit: Kit) -> None:
        """The last arguments are those that win: what is tried again later must not undo them."""
        kit.needs("browse", "unique", "delays")
        weighed(kit, 100)
        put(kit, 60, prefix="other")
        put(kit, 30, prefix="a", unique="u", debounce=5.0)
        assert put(kit, 41, 10, prefix="b", unique="u", debounce=5.0) == [Fate.FULL] * 2
        assert put(kit, 10, prefix="c", unique="u", debounce=5.0) == [Fate.MERGED]
        assert right(kit) == 70

    def test_a_child_may_use_the_reserve(self, kit: Kit) -> None:
        """As for a further message: a tenth of the limit, or one message if that is larger."""
        kit.needs("browse", "unique", "delays")
        weighed(kit, 100)
        child = {PARENT: ident("x")}
        put(kit, 90, prefix="other")
        put(kit, 10, prefix="a", unique="u", debounce=5.0)
        assert put(kit, 11, prefix="b", unique="u", debounce=5.0) == [Fate.FULL]
        assert put(kit, 60, prefix="c", unique="u", debounce=5.0, headers=child) == [Fate.MERGED]
        put(kit, 0, prefix="more", carried=Carried(attempt=1))
        assert right(kit) == 150

    def test_the_oldest_go_and_never_itself(self, kit: Kit) -> None:
        """It may be the oldest itself: its newest arguments have just been accepted."""
        kit.needs("browse", "unique", "delays")
        weighed(kit, 100, on_full="shed_oldest")
        put(kit, 10, prefix="a", unique="u", debounce=5.0)
        put(kit, 40, 40)
        assert put(kit, 30, prefix="b", unique="u", debounce=5.0) == [Fate.MERGED]
        assert (kit.state("m0"), kit.state("m1"), kit.state("a0")) == (
            State.DISCARDED, State.READY, State.SCHEDULED
        )  # fmt: skip
        assert right(kit) == 70
        assert put(kit, 100, prefix="c", unique="u", debounce=5.0) == [Fate.MERGED]
        assert (kit.depth().discarded, right(kit)) == (2, 100)

    def test_what_is_not_bound_in_bytes_takes_any(self, kit: Kit) -> None:
        """They are no further message."""
        kit.needs("browse", "unique", "delays", "limits")
        kit.run(kit.backend.declare([QueueSpec(name="q", limit=1)]))
        put(kit, 10, prefix="a", unique="u", debounce=5.0)
        assert put(kit, 500, prefix="b", unique="u", debounce=5.0) == [Fate.MERGED]
