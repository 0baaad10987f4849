"""What sharing promises: instances on one storage are one engine, as two processes on one file would be."""

from forebay.engine.contract import Fate
from forebay.model.outcome import Ack, DeadLetter
from forebay.store.records import Choice
from forebay.testing.conformance.kit import Kit, ident


class TestShared:
    def test_what_one_publishes_another_leases_and_a_third_sees_done(self, kit: Kit) -> None:
        """Publisher, worker and reader need nothing in common but the storage."""
        worker, reader = kit.peer(), kit.peer()
        kit.publish("a", body=b"\x80")
        (delivery,) = worker.lease()
        assert (delivery.body, reader.state("a")) == (b"\x80", "running")
        worker.settle(Ack(b"\xc3"), delivery)
        assert (reader.found("a").result, kit.depth().done) == (b"\xc3", 1)

    def test_no_message_is_leased_twice(self, kit: Kit) -> None:
        """Workers on different instances never hold the same message."""
        other = kit.peer()
        kit.publish("a", "b", "c", "d")
        assert [kit.take(2), other.take(2, worker="v"), kit.take(), other.take(worker="v")] == [
            ["a", "b"],
            ["c", "d"],
            [],
            [],
        ]

    def test_ids_and_unique_keys_are_shared(self, kit: Kit) -> None:
        """A duplicate is one wherever it is published."""
        other = kit.peer()
        kit.publish("a", unique="k")
        assert other.publish("a")[0].fate is Fate.DUPLICATE
        assert other.publish("b", unique="k")[0].id == ident("a")

    def test_gates_are_shared(self, kit: Kit) -> None:
        """A queue that one operator paused is paused for every worker."""
        other = kit.peer()
        kit.publish("a")
        kit.publish("b", lane="smtp")
        kit.take(0)
        other.close_gate(lane="smtp")
        assert kit.take() == ["a"]
        other.close_gate()
        other.open_gate(lane="smtp")
        assert kit.take() == []
        other.open_gate()
        assert kit.take() == ["b"]

    def test_a_cancel_reaches_the_worker_elsewhere(self, kit: Kit) -> None:
        """Who runs a message hears of its cancel, wherever it was asked for."""
        kit.needs("cancel")
        other = kit.peer()
        kit.publish("a")
        kit.lease()
        assert other.cancel("a") == ["running"]
        assert list(kit.ask(0).cancelled) == [ident("a")]

    def test_a_lost_worker_is_recovered_from_elsewhere(self, kit: Kit) -> None:
        """Any instance may bury a worker of any other; the buried one is refused from then on."""
        other = kit.peer()
        kit.publish("a")
        kit.beat("gone", lease=15)
        (old,) = kit.lease(worker="gone")
        kit.advance(16)
        assert list(other.recover().workers) == ["gone"]
        assert other.take(worker="next") == ["a"]
        assert kit.settle(Ack(), old, worker="gone") == [False]
        assert not kit.beat("gone", lease=15)

    def test_dead_letters_are_shared(self, kit: Kit) -> None:
        """What died here can be redriven there."""
        other = kit.peer()
        kit.finish(DeadLetter("bug"))
        assert other.run(other.backend.redrive(Choice())) == 1
        assert kit.take() == ["a"]

    def test_workers_are_shared(self, kit: Kit) -> None:
        """Every instance sees every worker."""
        other = kit.peer()
        kit.beat("one")
        other.beat("two")
        assert sorted(row.worker for row in kit.run(kit.backend.workers())) == ["one", "two"]

    def test_depth_is_one_truth(self, kit: Kit) -> None:
        """Numbers that were changed from two sides are the same on both."""
        other = kit.peer()
        kit.publish("a", "b", "c")
        other.publish("d", "e")
        other.settle(Ack(), *other.lease(2, worker="v"), worker="v")
        kit.lease(1)
        assert kit.depth() == other.depth()
        assert (kit.depth().published, kit.depth().done, kit.depth().running, kit.depth().ready) == (5, 2, 1, 2)


class TestDurable:
    def test_everything_is_there_after_a_restart(self, kit: Kit) -> None:
        """What was accepted, held, ended, closed and counted outlives every instance."""
        kit.needs("durable")
        first = kit.peer()
        first.publish("a", "b", "c", "d")
        first.publish("late", delay=60)
        done, dead, _ = first.lease(3)
        first.settle(Ack(b"\xc3"), done)
        first.settle(DeadLetter("bug"), dead)
        first.close_gate("q", "smtp")
        before = first.depth()
        first.run(first.backend.close())
        again = kit.peer()
        assert [again.state(name) for name in "abcd"] == ["done", "dead", "running", "ready"]
        assert (again.state("late"), again.found("a").result) == ("scheduled", b"\xc3")
        assert [gate.lane for gate in again.run(again.backend.gates())] == ["smtp"]
        assert again.depth() == before

    def test_closing_twice_is_allowed(self, kit: Kit) -> None:
        """Whoever is not sure may close again."""
        kit.publish("a")
        kit.run(kit.backend.close())
        kit.run(kit.backend.close())
