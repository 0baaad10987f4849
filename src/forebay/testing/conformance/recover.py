"""What `recover` promises: what a lost worker held runs again, is counted, and is quarantined in the end."""

import asyncio

from forebay.engine.contract import Recovered
from forebay.model.outcome import Ack, DeadLetter, Lose, Retry
from forebay.model.ruling import QUARANTINE_AFTER
from forebay.testing.conformance.kit import BOOM, ForgetWorker, Kit, ident, names


class TestRecover:
    def test_nothing_is_lost_nothing_happens(self, kit: Kit) -> None:
        """With every worker alive there is nobody to bury."""
        kit.publish("a")
        kit.lease()
        got = kit.recover()
        assert (list(got.workers), got.returned, got.quarantined) == ([], 0, 0)
        assert kit.state("a") == "running"

    def test_a_named_worker_is_buried_at_once(self, kit: Kit) -> None:
        """A parent that saw its child die gets its messages back without waiting for the lease to end."""
        kit.publish("a", "b", "c")
        kit.lease(2, worker="dead")
        got = kit.recover("dead")
        assert (list(got.workers), got.returned, got.quarantined) == (["dead"], 2, 0)
        assert sorted(got.lost) == [ident("a"), ident("b")]
        assert kit.take() == ["a", "b", "c"]

    def test_what_was_settled_before_is_not_told_as_lost(self, kit: Kit) -> None:
        """Who tells of losses asked what the worker held a moment ago, and it has settled some of that since."""
        kit.publish("killer")
        for number in range(QUARANTINE_AFTER - 1):
            kit.lease(worker=f"w{number}")
            assert list(kit.recover(f"w{number}").lost) == [ident("killer")]
        kit.publish("acked", "late", "held")
        held = dict(zip(names(found := kit.lease(worker="dead")), found, strict=True))
        assert kit.settle(Ack(), held["acked"], worker="dead") == [True]
        assert kit.settle(Retry(60, BOOM), held["late"], worker="dead") == [True]
        got = kit.recover("dead")
        assert (sorted(got.lost), got.returned, got.quarantined) == ([ident("held"), ident("killer")], 1, 1)

    def test_a_lease_that_ran_out_is_found_by_anybody(self, kit: Kit) -> None:
        """Without a name, those that stopped beating are buried, and only those."""
        kit.publish("a", "b")
        kit.beat("silent", lease=15)
        kit.beat("alive", lease=60)
        kit.lease(1, worker="silent")
        kit.lease(1, worker="alive")
        kit.advance(16)
        assert list(kit.recover().workers) == ["silent"]
        assert (kit.state("a"), kit.state("b")) == ("ready", "running")
        assert [row.worker for row in kit.run(kit.backend.workers())] == ["alive"]

    def test_recovering_again_changes_nothing(self, kit: Kit) -> None:
        """A loss is counted once, however many call."""
        kit.publish("a")
        kit.lease()
        kit.recover("w")
        got = kit.recover("w")
        assert (list(got.workers), got.returned) == ([], 0)
        assert kit.found("a").lost == 1

    def test_of_two_who_bury_it_at_once_one_is_told(self, kit: Kit) -> None:
        """Its parent and whoever looks for old leases may see it at the same time: each loss is told once."""
        kit.publish("a", "b")
        kit.lease(2, worker="dead")

        async def both() -> tuple[Recovered, Recovered]:
            return await asyncio.gather(kit.backend.recover(["dead"]), kit.backend.recover(["dead"]))

        answers = kit.run(both())
        assert sorted((list(got.workers), got.returned) for got in answers) == [([], 0), (["dead"], 2)]

    def test_an_unknown_name_is_harmless(self, kit: Kit) -> None:
        """Burying a worker that never beat buries nobody."""
        got = kit.recover("nobody")
        assert (list(got.workers), got.returned, got.quarantined) == ([], 0, 0)

    def test_the_loss_and_the_attempt_are_counted(self, kit: Kit) -> None:
        """The next worker sees that one was lost under this message, and that the attempt counted."""
        kit.publish("a")
        (first,) = kit.lease(worker="one")
        kit.recover("one")
        (second,) = kit.lease(worker="two")
        assert (second.lost, second.attempt) == (1, 2)
        assert second.fence > first.fence

    def test_what_was_settled_before_the_loss_stays_settled(self, kit: Kit) -> None:
        """Only what the worker still held goes back."""
        kit.publish("done", "retried", "dead", "held")
        done, retried, dead, _ = kit.lease()
        kit.settle(Ack(), done)
        kit.settle(Retry(60, BOOM), retried)
        kit.settle(DeadLetter("bug"), dead)
        assert kit.recover("w").returned == 1
        states = [kit.state(name) for name in ("done", "retried", "dead", "held")]
        assert states == ["done", "scheduled", "dead", "ready"]

    def test_three_lost_workers_end_it(self, kit: Kit) -> None:
        """A message that keeps killing its workers becomes dead, with its story."""
        kit.publish("killer")
        answers: list[tuple[int, int]] = []
        for number in range(QUARANTINE_AFTER):
            kit.lease(worker=f"w{number}")
            got = kit.recover(f"w{number}")
            answers.append((got.returned, got.quarantined))
        assert answers == [(1, 0), (1, 0), (0, 1)]
        found = kit.found("killer")
        assert (found.state, found.lost) == ("dead", 3)
        assert found.cause.startswith("lost 3 workers")
        assert (kit.depth().dead, kit.depth().died, kit.depth().ready) == (1, 1, 0)
        assert kit.take() == []

    def test_losses_add_up_over_other_outcomes(self, kit: Kit) -> None:
        """A retry in between does not make a killer innocent."""
        kit.publish("killer")
        for number in range(QUARANTINE_AFTER):
            (delivery,) = kit.lease(worker=f"w{number}")
            if number == 1:
                kit.settle(Retry(0, BOOM), delivery, worker=f"w{number}")
                kit.lease(worker=f"w{number}")
            kit.recover(f"w{number}")
        assert kit.state("killer") == "dead"

    def test_a_loss_can_be_reported_by_who_saw_it(self, kit: Kit) -> None:
        """A process below the worker that died counts as a lost worker, up to the quarantine, with its cause."""
        kit.publish("killer")
        for number in range(QUARANTINE_AFTER):
            (delivery,) = kit.lease()
            assert (delivery.lost, delivery.attempt) == (number, number + 1)
            assert kit.settle(Lose("killed by signal 9"), delivery) == [True]
        found = kit.found("killer")
        assert (found.state, found.lost, kit.depth().died) == ("dead", 3, 1)
        assert found.cause.startswith("lost 3 workers")
        assert "killed by signal 9" in found.cause

    def test_its_neighbours_are_counted_too(self, kit: Kit) -> None:
        """Every message that the lost worker held carries the loss; none is forgotten."""
        called = [f"m{number}" for number in range(300)]
        kit.publish(*called)
        kit.lease(300)
        assert kit.recover("w").returned == 300
        assert kit.take(300, worker="v") == called

    def test_a_worker_without_messages_is_only_buried(self, kit: Kit) -> None:
        """An idle worker that died leaves its row and nothing else."""
        kit.beat("idle")
        got = kit.recover("idle")
        assert (list(got.workers), got.returned) == (["idle"], 0)
        assert kit.run(kit.backend.workers()) == []

    def test_what_runs_under_a_worker_without_a_row_is_lost(self, kit: Kit, forget_worker: ForgetWorker) -> None:
        """Whoever took its row away: it runs again, or ends if that was asked for, and that worker is told."""
        kit.publish("a", "b", "c")
        kit.lease(2, worker="gone")
        (safe,) = kit.lease(1, worker="lives")
        forget_worker(kit.backend, "gone")
        kit.cancel("b")
        got = kit.recover()
        assert (list(got.workers), got.returned, got.quarantined) == (["gone"], 1, 0)
        assert (kit.found("a").state, kit.found("a").lost, kit.state("b")) == ("ready", 1, "cancelled")
        assert kit.settle(Ack(), safe, worker="lives") == [True]
        assert kit.recover().returned == 0
        assert not kit.beat("gone")
