"""The live verbs alone: what they promise, seen through nothing but their own answers.

Other files look into the store as well, and tell more. An engine that has no store beside it is held to these.
"""

import pytest

from forebay.engine.contract import Fate
from forebay.model.outcome import (
    Ack,
    Cancel,
    DeadLetter,
    Discard,
    Expire,
    Lose,
    Outcome,
    Park,
    Release,
    Retry,
    Snooze,
)
from forebay.model.ruling import QUARANTINE_AFTER
from forebay.testing.conformance.kit import BOOM, Kit

ENDS: list[tuple[Outcome, str]] = [
    (Ack(), "done"),
    (DeadLetter("bug"), "died"),
    (Cancel(), "cancelled"),
    (Expire(), "expired"),
    (Discard("old"), "discarded"),
]
LATER: list[tuple[Outcome, int]] = [(Retry(10, BOOM), 2), (Snooze(10), 1), (Release(10), 1)]
AT_ONCE: list[tuple[Outcome, int]] = [(Retry(0, BOOM), 2), (Lose("killed by signal 9"), 2), (Release(), 1)]


class TestAlone:
    def test_numbers_follow_a_message_on_its_way(self, kit: Kit) -> None:
        """Ready, running, done: it is counted in one place at a time."""
        kit.publish("a")
        assert (kit.depth().published, kit.depth().ready, kit.depth().running, kit.depth().done) == (1, 1, 0, 0)
        (delivery,) = kit.lease()
        assert (kit.depth().ready, kit.depth().running) == (0, 1)
        assert kit.settle(Ack(), delivery) == [True]
        assert (kit.depth().running, kit.depth().done) == (0, 1)

    @pytest.mark.parametrize(("outcome", "total"), ENDS)
    def test_an_end_is_one(self, kit: Kit, outcome: Outcome, total: str) -> None:
        """It is counted as what it is, and nothing brings it back: no time, no loss, no second settle."""
        kit.publish("a")
        (delivery,) = kit.lease()
        assert kit.settle(outcome, delivery) == [True]
        assert kit.settle(Retry(0, BOOM), delivery) == [False]
        kit.lose("w")
        kit.advance(1000)
        assert kit.take(worker="v") == []
        assert (getattr(kit.depth(), total), kit.depth().running, kit.depth().ready) == (1, 0, 0)

    @pytest.mark.parametrize(("outcome", "attempt"), LATER)
    def test_later_is_after_the_delay(self, kit: Kit, outcome: Outcome, attempt: int) -> None:
        """Not before it, counted as scheduled until then; the attempt counts if the task failed."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.settle(outcome, old)
        kit.advance(9)
        assert (kit.take(), kit.depth().scheduled) == ([], 1)
        kit.advance(2)
        (new,) = kit.lease()
        assert (new.id, new.attempt) == (old.id, attempt)
        assert new.fence > old.fence

    @pytest.mark.parametrize(("outcome", "attempt"), AT_ONCE)
    def test_at_once_is_the_next_lease(self, kit: Kit, outcome: Outcome, attempt: int) -> None:
        """With a new fence, and what was handed back at its old place."""
        kit.publish("a", "b")
        (old,) = kit.lease(1)
        kit.settle(outcome, old)
        again = {delivery.id: delivery for delivery in kit.lease()}
        assert (len(again), again[old.id].attempt) == (2, attempt)
        assert again[old.id].fence > old.fence

    def test_parked_in_an_open_lane_it_comes_back_with_its_attempt(self, kit: Kit) -> None:
        """After a moment, in the lane that it was parked in."""
        kit.publish("a")
        kit.settle(Park("smtp", "429"), *kit.lease())
        assert kit.take() == []
        kit.advance(60)
        (delivery,) = kit.lease()
        assert (delivery.lane, delivery.attempt) == ("smtp", 1)

    def test_only_who_holds_it_now_may_settle(self, kit: Kit) -> None:
        """Not an older lease of the same worker, not another worker, not a stranger."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.settle(Release(), old)
        (new,) = kit.lease()
        kit.beat("other")
        assert kit.settle(Ack(), old) == [False]
        assert kit.settle(Ack(), new, worker="other") == kit.settle(Ack(), new, worker="stranger") == [False]
        assert kit.settle(Ack(), new, new) == [True, False]
        assert (kit.depth().done, kit.depth().running) == (1, 0)

    def test_a_lost_worker_has_no_say_any_more(self, kit: Kit) -> None:
        """What it held runs elsewhere, with the loss counted; its late answers, beats and settles change nothing."""
        kit.publish("a")
        kit.beat("frozen", lease=15)
        (old,) = kit.lease(worker="frozen")
        kit.advance(16)
        assert kit.settle(Ack(), old, worker="frozen") == [False]
        assert list(kit.recover().workers) == ["frozen"]
        (new,) = kit.lease(worker="next")
        assert (new.id, new.lost, new.attempt) == (old.id, 1, 2)
        assert (kit.settle(Ack(), old, worker="frozen"), kit.beat("frozen")) == ([False], False)
        assert kit.settle(Ack(), new, worker="next") == [True]

    def test_what_loses_its_workers_is_dead_in_the_end(self, kit: Kit) -> None:
        """However a worker is lost, a message that goes on losing them is not leased for ever."""
        kit.publish("killer")
        for number in range(QUARANTINE_AFTER):
            (delivery,) = kit.lease(worker=f"w{number}")
            assert (delivery.lost, delivery.attempt) == (number, number + 1)
            kit.lose(f"w{number}")
        assert kit.take() == []
        assert (kit.depth().dead, kit.depth().died, kit.depth().ready) == (1, 1, 0)

    def test_a_publish_that_is_tried_again_adds_nothing(self, kit: Kit) -> None:
        """While it waits, and while it runs; where that is found out at the lease, it is leased once all the same."""
        kit.publish("a", body=b"first")
        again = kit.publish("a", body=b"second")
        if kit.backend.capabilities.dedupe == "publish":
            assert again[0].fate is Fate.DUPLICATE
        (delivery,) = kit.lease()
        assert delivery.body == b"first"
        kit.publish("a")
        assert kit.take() == []
