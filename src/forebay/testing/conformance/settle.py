"""What `settle` promises: each outcome leads where the life-cycle says, once, and only for who holds the lease."""

import pytest

from forebay.model.lifecycle import State
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
    Settlement,
    Snooze,
)
from forebay.testing.conformance.kit import BOOM, Kit, ident

ENDS: list[tuple[Outcome, State]] = [
    (Ack(), State.DONE),
    (DeadLetter("bug"), State.DEAD),
    (Cancel(), State.CANCELLED),
    (Expire(), State.EXPIRED),
    (Discard("old"), State.DISCARDED),
]
RETURNS: list[tuple[Outcome, State]] = [
    (Retry(10, BOOM), State.SCHEDULED),
    (Snooze(10), State.SCHEDULED),
    (Park("smtp"), State.PARKED),
    (Release(), State.READY),
    (Lose("killed by signal 9"), State.READY),
]


LINE = [f"m{number}" for number in range(12)]
SHAPES = {
    "in order": LINE,
    "the other way round": LINE[::-1],
    "with gaps": LINE[1::2],
    "one that has ended": LINE,
    "one that another worker holds": LINE,
    "one under an older lease": LINE,
    "some twice": [*LINE[:6], *LINE[4:8]],
    "some twice in place of others": [*LINE[:3], *LINE[:3], *LINE[6:]],
}


class TestSettle:
    @pytest.mark.parametrize(("outcome", "state"), ENDS + RETURNS)
    def test_an_outcome_leads_to_its_state(self, kit: Kit, outcome: Outcome, state: State) -> None:
        """Each way to end a run has one state that it leads to, and the worker holds nothing any more."""
        kit.close_gate(lane="smtp")
        kit.finish(outcome)
        found = kit.found("a")
        assert found.state == state
        if (outcome, state) in RETURNS:
            assert (found.worker, found.started) == (None, None)
        assert kit.run(kit.backend.held("w")) == []

    @pytest.mark.parametrize(("outcome", "state"), ENDS)
    def test_an_end_has_its_time(self, kit: Kit, outcome: Outcome, state: State) -> None:
        """When a message ended can be read; before, there is nothing to read."""
        kit.publish("a")
        (delivery,) = kit.lease()
        assert kit.found("a").finished is None
        kit.advance(5)
        kit.settle(outcome, delivery)
        assert kit.found("a").finished == kit.now()

    @pytest.mark.parametrize(
        ("outcome", "attempt"), [(Retry(9, BOOM), 1), (Lose("gone"), 1), (Snooze(9), 0), (Release(), 0), (Park("l"), 0)]
    )
    def test_the_attempt_counts_only_where_the_handler_failed(self, kit: Kit, outcome: Outcome, attempt: int) -> None:
        """Snooze, park and release hand the attempt back, a retry or a loss does not."""
        kit.finish(outcome)
        assert kit.found("a").attempt == attempt

    @pytest.mark.parametrize("outcome", [Retry(10, BOOM), Snooze(10)])
    def test_again_means_after_the_delay(self, kit: Kit, outcome: Outcome) -> None:
        """A retried or snoozed message is due `delay` seconds after it was settled, not before."""
        kit.advance(3)
        kit.finish(outcome)
        assert kit.found("a").due == kit.now() + 10
        kit.advance(9)
        assert kit.take() == []
        kit.advance(2)
        assert kit.take() == ["a"]

    def test_a_retry_keeps_its_failure(self, kit: Kit) -> None:
        """While it waits for its next attempt, one can read why the last one failed."""
        kit.finish(Retry(10, BOOM))
        assert kit.found("a").failure == BOOM

    def test_a_released_message_has_its_old_place(self, kit: Kit) -> None:
        """What was handed back goes before what was accepted after it."""
        kit.publish("a", "b", "c")
        first, second = kit.lease(2)
        kit.settle(Release(), second, first)
        assert kit.take() == ["a", "b", "c"]

    def test_a_result_is_kept(self, kit: Kit) -> None:
        """The result of a message that is done can be fetched, byte for byte."""
        kit.needs("results")
        kit.finish(Ack(result=b"\x00\xff result"))
        assert kit.found("a").result == b"\x00\xff result"

    def test_a_dead_letter_keeps_its_story(self, kit: Kit) -> None:
        """Cause, failure, attempts, body and headers of a dead message are kept."""
        kit.finish(
            DeadLetter("no attempts left", BOOM), body=b"body", headers={"h": "1"}, task="t", key="k", priority=2
        )
        found = kit.found("a")
        assert (found.cause, found.failure, found.attempt) == ("no attempts left", BOOM, 1)
        assert (found.body, found.headers, found.task, found.key, found.priority) == (b"body", {"h": "1"}, "t", "k", 2)

    @pytest.mark.parametrize("outcome", [Discard("too old"), Cancel("too old"), DeadLetter("too old")])
    def test_an_end_on_purpose_has_its_reason(self, kit: Kit, outcome: Outcome) -> None:
        """The reason that was given is the cause that is kept."""
        kit.finish(outcome)
        assert kit.found("a").cause == "too old"

    def test_nothing_ended_comes_back(self, kit: Kit) -> None:
        """No end is ever leased again, however long one waits and whoever recovers."""
        for number, (outcome, _) in enumerate(ENDS):
            kit.publish(f"m{number}")
            kit.settle(outcome, *kit.lease())
        kit.advance(1000)
        kit.lose("w")
        assert kit.take(worker="v") == []

    def test_a_batch_answers_for_each(self, kit: Kit) -> None:
        """One call carries any mixture of outcomes, and each has its verdict in its place."""
        kit.publish("a", "b", "c", "d")
        a, b, c, d = kit.lease()
        kit.settle(Ack(), b)
        batch = [
            Settlement(a, Ack()),
            Settlement(b, Ack()),
            Settlement(c, DeadLetter("bug")),
            Settlement(d, Retry(9, BOOM)),
        ]
        assert kit.run(kit.backend.settle("w", batch)) == [True, False, True, True]
        assert [kit.state(name) for name in "abcd"] == ["done", "done", "dead", "scheduled"]

    @pytest.mark.parametrize("result", [None, b"42"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_batch_of_many_ends_what_it_holds_and_nothing_else(
        self, kit: Kit, shape: str, result: bytes | None
    ) -> None:
        """In whatever order, with whatever gaps; and what one of them lost, or has twice, is nobody else's loss."""
        if result is not None:
            kit.needs("results")
        kit.publish(*LINE)
        held = dict(zip(LINE, kit.lease(), strict=True))
        if shape == "one that has ended":
            kit.settle(Ack(), held["m5"])
        elif shape == "one that another worker holds":
            kit.settle(Release(), held["m5"])
            kit.lease(1, worker="other")
        elif shape == "one under an older lease":
            kit.settle(Release(), held["m5"])
            kit.lease(1)
        batch = SHAPES[shape]
        right = [
            name != "m5" if shape.startswith("one ") else number == batch.index(name)
            for number, name in enumerate(batch)
        ]
        assert kit.settle(Ack(result), *(held[name] for name in batch)) == right
        done = {name for name, good in zip(batch, right, strict=True) if good}
        if shape == "one that has ended":
            done.add("m5")
        assert {name for name in LINE if kit.state(name) == "done"} == done
        assert kit.depth().done == len(done)

    def test_settling_nothing_is_allowed(self, kit: Kit) -> None:
        """An empty batch has no verdicts."""
        kit.beat()
        assert kit.settle(Ack()) == []


class TestFence:
    @pytest.mark.parametrize(("outcome", "state"), ENDS + RETURNS)
    def test_a_message_is_settled_once(self, kit: Kit, outcome: Outcome, state: State) -> None:
        """The second settle of a delivery is refused and changes nothing."""
        kit.close_gate(lane="smtp")
        kit.publish("a")
        (delivery,) = kit.lease()
        assert kit.settle(outcome, delivery) == [True]
        assert kit.settle(Ack(), delivery) == [False]
        assert kit.state("a") == state

    def test_a_result_is_settled_once_too(self, kit: Kit) -> None:
        """The second settle is refused, rather than failing on the end that the first has left."""
        kit.publish("a")
        (delivery,) = kit.lease()
        assert kit.settle(Ack(b"\x01"), delivery) == [True]
        assert kit.settle(Ack(b"\x02"), delivery) == [False]
        assert kit.found("a").result == b"\x01"

    def test_an_old_lease_never_means_the_message_that_came_after(self, kit: Kit) -> None:
        """Whatever an engine reuses of an ended message, its lease does not settle the next one."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.settle(Ack(), old)
        kit.publish("b")
        kit.lease()
        assert kit.settle(Ack(), old) == [False]
        assert kit.state("b") == "running"

    def test_twice_in_one_batch_is_once(self, kit: Kit) -> None:
        """The first of two settlements of one delivery counts."""
        kit.publish("a")
        (delivery,) = kit.lease()
        assert kit.settle(Ack(), delivery, delivery) == [True, False]
        assert kit.depth().done == 1

    def test_an_old_fence_is_refused(self, kit: Kit) -> None:
        """The same worker, holding the message anew, cannot settle it by its earlier lease."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.settle(Release(), old)
        (new,) = kit.lease()
        assert kit.settle(Ack(), old) == [False]
        assert kit.state("a") == "running"
        assert kit.settle(Ack(), new) == [True]

    def test_another_worker_is_refused(self, kit: Kit) -> None:
        """Who does not hold a message cannot end it."""
        kit.publish("a")
        (delivery,) = kit.lease(worker="one")
        kit.beat("two")
        assert kit.settle(Ack(), delivery, worker="two") == [False]
        assert kit.state("a") == "running"

    def test_a_stranger_is_refused(self, kit: Kit) -> None:
        """A worker that never beat settles nothing."""
        kit.publish("a")
        (delivery,) = kit.lease()
        assert kit.settle(Ack(), delivery, worker="stranger") == [False]

    def test_a_frozen_worker_settles_nothing(self, kit: Kit) -> None:
        """Past its lease a worker's word no longer counts, even before anybody noticed."""
        kit.publish("a", "b")
        kit.beat("frozen", lease=15)
        deliveries = kit.lease(worker="frozen")
        kit.advance(16)
        assert kit.settle(Ack(), *deliveries, worker="frozen") == [False, False]
        assert [kit.state(name) for name in "ab"] == ["running", "running"]

    def test_a_late_answer_after_the_message_moved_on_is_refused(self, kit: Kit) -> None:
        """A worker that comes back cannot complete, fail or report on what another has taken."""
        kit.publish("a")
        kit.beat("frozen", lease=15)
        (old,) = kit.lease(worker="frozen")
        kit.advance(16)
        kit.recover()
        (new,) = kit.lease(worker="next")
        for outcome, _ in ENDS + RETURNS:
            assert kit.settle(outcome, old, worker="frozen") == [False]
        assert not kit.run(kit.backend.progress(old, b"\x01"))
        assert not kit.beat("frozen", lease=15)
        assert (kit.found("a").state, kit.found("a").worker) == ("running", "next")
        assert kit.settle(Ack(b"new"), new, worker="next") == [True]
        assert kit.settle(Ack(b"old"), old, worker="frozen") == [False]
        assert kit.found("a").result == b"new"

    def test_a_late_answer_before_the_next_lease_is_refused(self, kit: Kit) -> None:
        """Between recovery and the next lease the message belongs to nobody."""
        kit.publish("a")
        (old,) = kit.lease()
        kit.lose("w")
        assert kit.settle(Ack(), old) == [False]
        assert kit.state("a") == "ready"

    def test_an_unknown_message_is_refused(self, kit: Kit) -> None:
        """A settlement of a message that is not there is refused, its neighbours are carried out."""
        kit.publish("a", "b")
        first, second = kit.lease()
        kit.settle(Ack(keep=0), first)
        kit.tidy()
        assert kit.settle(Ack(), first, second) == [False, True]
        assert kit.run(kit.backend.find([ident("b")]))[0] is not None
