"""What `cancel` promises: what waits ends at once, what runs is asked to stop, what ended stays as it is."""

import pytest

from forebay.model.lifecycle import State
from forebay.model.outcome import Ack, Cancel, DeadLetter, Lose, Outcome, Park, Release, Retry, Snooze
from forebay.store.records import Query
from forebay.testing.conformance.kit import BOOM, Kit, ident


class TestCancel:
    @pytest.fixture(autouse=True)
    def _cancel(self, kit: Kit) -> None:
        kit.needs("cancel")

    def test_what_waits_ends_at_once(self, kit: Kit) -> None:
        """Ready and scheduled messages are cancelled by the call itself and never leased."""
        kit.publish("ready")
        kit.publish("scheduled", delay=10)
        assert kit.cancel("ready", "scheduled") == ["cancelled", "cancelled"]
        kit.advance(11)
        assert kit.take() == []
        assert (kit.found("ready").state, kit.depth().cancelled) == ("cancelled", 2)

    def test_each_id_has_its_answer(self, kit: Kit) -> None:
        """Unknown ids answer None, ended ones their state, in the order asked."""
        kit.finish(Ack())
        kit.publish("b")
        kit.settle(DeadLetter("bug"), *kit.lease())
        kit.publish("c")
        assert kit.cancel("a", "nobody", "b", "c") == ["done", None, "dead", "cancelled"]
        assert (kit.state("a"), kit.state("b")) == ("done", "dead")

    def test_they_end_in_the_order_asked(self, kit: Kit) -> None:
        """Which is how what ended is listed, by whatever path it was there before."""
        kit.publish("a", "b")
        kit.publish("c", delay=10)
        kit.cancel("b", "c", "b", "a")
        ended = kit.run(kit.backend.messages(Query(state=State.CANCELLED)))
        assert [found.id for found in ended] == [ident(name) for name in "bca"]

    def test_what_runs_is_asked_to_stop(self, kit: Kit) -> None:
        """Its worker is told with every lease until the message is settled; meanwhile it still runs."""
        kit.publish("a", "b")
        a, _ = kit.lease()
        assert kit.cancel("a") == ["running"]
        assert list(kit.ask(0).cancelled) == [ident("a")]
        assert list(kit.ask(10).cancelled) == [ident("a")]
        assert kit.settle(Cancel(), a) == [True]
        assert list(kit.ask(0).cancelled) == []
        assert kit.state("a") == "cancelled"

    def test_only_its_worker_is_asked(self, kit: Kit) -> None:
        """Other workers hear nothing of it."""
        kit.publish("a")
        kit.lease(worker="one")
        kit.beat("two")
        kit.cancel("a")
        assert list(kit.ask(0, worker="two").cancelled) == []
        assert list(kit.ask(0, worker="one").cancelled) == [ident("a")]

    @pytest.mark.parametrize(("outcome", "state"), [(Ack(), "done"), (DeadLetter("bug"), "dead")])
    def test_a_task_may_end_before_it_hears(self, kit: Kit, outcome: Outcome, state: str) -> None:
        """Being asked to stop is no fate: an end that came first stands."""
        kit.publish("a")
        (delivery,) = kit.lease()
        kit.cancel("a")
        assert kit.settle(outcome, delivery) == [True]
        assert kit.state("a") == state

    @pytest.mark.parametrize("outcome", [Retry(0, BOOM), Snooze(0), Release(), Park("lane"), Lose("gone")])
    def test_it_does_not_run_again(self, kit: Kit, outcome: Outcome) -> None:
        """A message that was asked to stop and would come back is cancelled instead."""
        kit.publish("a")
        (delivery,) = kit.lease()
        kit.cancel("a")
        assert kit.settle(outcome, delivery) == [True]
        assert kit.state("a") == "cancelled"
        assert kit.take() == []
        assert (kit.depth().cancelled, kit.depth().retried) == (1, 0)

    def test_it_does_not_run_again_after_a_loss_either(self, kit: Kit) -> None:
        """If its worker dies before it stopped, the message is cancelled and not handed on."""
        kit.publish("a")
        kit.lease()
        kit.cancel("a")
        assert kit.recover("w").returned == 0
        assert kit.state("a") == "cancelled"

    def test_asking_twice_is_asking_once(self, kit: Kit) -> None:
        """A second cancel changes nothing."""
        kit.publish("a", "b")
        kit.lease(1)
        for _ in range(2):
            assert kit.cancel("a", "b") == ["running", "cancelled"]
        assert list(kit.ask(0).cancelled) == [ident("a")]
        assert kit.depth().cancelled == 1
