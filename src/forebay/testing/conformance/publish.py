"""What `publish` promises: a receipt each, in order; an id once; a message as it was given."""

import pytest

from forebay.engine.contract import Fate, Receipt
from forebay.model.message import Message
from forebay.model.outcome import Ack, Cancel, DeadLetter, Discard, Expire, Outcome, Retry
from forebay.testing.conformance.kit import BOOM, Kit, ident


class TestPublish:
    def test_each_message_gets_its_receipt_in_order(self, kit: Kit) -> None:
        """Receipts stand in the order of the messages and carry their ids."""
        assert kit.publish("b", "a", "c") == [Receipt(ident("b")), Receipt(ident("a")), Receipt(ident("c"))]

    def test_publishing_nothing_is_allowed(self, kit: Kit) -> None:
        """An empty batch has no receipts."""
        assert kit.run(kit.backend.publish([])) == []

    def test_a_message_arrives_as_it_was_given(self, kit: Kit) -> None:
        """Every field that travels is the same on both sides, byte for byte."""
        body, headers = bytes(range(256)), {"traceparent": "00-1", "übung": "☂"}
        kit.publish("a", task="app.mail", body=body, headers=headers, key="tenant-7", lane="smtp", priority=3)
        (got,) = kit.lease()
        assert (got.id, got.queue, got.task, got.body) == (ident("a"), "q", "app.mail", body)
        assert (got.headers, got.key, got.lane, got.priority) == (headers, "tenant-7", "smtp", 3)
        assert (got.created, got.expires, got.lost) == (kit.now(), None, 0)

    def test_a_bare_message_arrives_bare(self, kit: Kit) -> None:
        """What was left out stays left out."""
        kit.publish("a")
        (got,) = kit.lease()
        assert (got.task, got.body, got.headers or {}, got.key, got.lane, got.priority) == ("", b"", {}, None, "", 0)

    def test_one_batch_may_go_to_many_queues(self, kit: Kit) -> None:
        """Each message of a batch waits in its own queue."""
        kit.run(kit.backend.publish([Message(id=ident(name), queue=f"q-{name}") for name in "abc"]))
        assert [kit.take(queues=[f"q-{name}"]) for name in "abc"] == [["a"], ["b"], ["c"]]

    def test_a_thousand_at_once(self, kit: Kit) -> None:
        """A large batch is accepted, leased and settled whole and in order."""
        called = [f"m{number:04}" for number in range(1000)]
        assert all(receipt.fate is Fate.ACCEPTED for receipt in kit.publish(*called))
        deliveries = kit.lease(1000)
        assert [delivery.id for delivery in deliveries] == [ident(name) for name in called]
        assert kit.settle(Ack(), *deliveries) == [True] * 1000
        assert (kit.depth().done, kit.depth().running) == (1000, 0)

    def test_an_id_is_accepted_once(self, kit: Kit) -> None:
        """A retried publish is a duplicate of itself, and the first stands unchanged."""
        kit.publish("a", body=b"first")
        assert kit.publish("a", body=b"second", queue="other") == [Receipt(ident("a"), Fate.DUPLICATE)]
        assert [delivery.body for delivery in kit.lease(queues=["q", "other"])] == [b"first"]

    def test_an_id_is_accepted_once_within_a_batch(self, kit: Kit) -> None:
        """The second of two equal ids in one batch is the duplicate; its neighbours are not harmed."""
        fates = [receipt.fate for receipt in kit.publish("a", "b", "a", "c")]
        assert fates == [Fate.ACCEPTED, Fate.ACCEPTED, Fate.DUPLICATE, Fate.ACCEPTED]
        assert kit.take() == ["a", "b", "c"]
        assert kit.depth().published == 3

    def test_a_running_message_is_still_known(self, kit: Kit) -> None:
        """A publish retried while its message runs is a duplicate."""
        kit.publish("a")
        kit.lease()
        assert kit.publish("a")[0].fate is Fate.DUPLICATE

    @pytest.mark.parametrize("outcome", [Ack(), DeadLetter("bug"), Discard("old"), Cancel(), Expire()])
    def test_an_ended_message_is_still_known(self, kit: Kit, outcome: Outcome) -> None:
        """A publish retried after its message ended is a duplicate, however it ended."""
        kit.needs("results")
        kit.finish(outcome)
        assert kit.publish("a") == [Receipt(ident("a"), Fate.DUPLICATE)]
        assert kit.take() == []


class TestDelay:
    def test_a_delayed_message_waits_until_it_is_due(self, kit: Kit) -> None:
        """Nothing is leased before its time, everything after."""
        kit.needs("delays")
        kit.publish("a", delay=10)
        assert (kit.state("a"), kit.found("a").due) == ("scheduled", kit.now() + 10)
        kit.advance(9.5)
        assert kit.take() == []
        kit.advance(1)
        assert kit.take() == ["a"]

    def test_a_fixed_time_wins_over_a_delay(self, kit: Kit) -> None:
        """`due` is obeyed where both are given."""
        kit.needs("delays")
        kit.publish("a", due=kit.now() + 5, delay=100)
        kit.advance(6)
        assert kit.take() == ["a"]

    def test_a_time_that_has_passed_is_now(self, kit: Kit) -> None:
        """A message due in the past is ready at once."""
        kit.needs("delays")
        kit.publish("a", due=kit.now() - 100)
        assert kit.take() == ["a"]

    def test_many_come_due_together(self, kit: Kit) -> None:
        """What came due meanwhile is leased in order of acceptance, whatever the order of the due times."""
        kit.needs("delays")
        kit.publish("late", delay=9)
        kit.publish("early", delay=3)
        kit.publish("now")
        kit.advance(10)
        assert kit.take() == ["late", "early", "now"]


class TestUnique:
    @pytest.fixture(autouse=True)
    def _unique(self, kit: Kit) -> None:
        kit.needs("unique")

    def test_a_second_of_the_same_key_is_a_duplicate_of_the_first(self, kit: Kit) -> None:
        """The receipt names the message that stands for both."""
        kit.publish("first", unique="welcome:7")
        assert kit.publish("second", unique="welcome:7", queue="other") == [Receipt(ident("first"), Fate.DUPLICATE)]
        assert kit.find("second") is None
        assert kit.take(queues=["q", "other"]) == ["first"]

    def test_within_one_batch_the_first_holds_the_key(self, kit: Kit) -> None:
        """A batch obeys its own unique keys."""
        assert [receipt.fate for receipt in kit.publish("a", "b", unique="k")] == [Fate.ACCEPTED, Fate.DUPLICATE]

    def test_a_known_id_is_a_duplicate_of_itself_whoever_holds_the_key(self, kit: Kit) -> None:
        """A retried publish is told about its own message, not about another one that has its unique key."""
        kit.publish("holder", unique="k")
        kit.publish("known")
        assert kit.publish("known", unique="k") == [Receipt(ident("known"), Fate.DUPLICATE)]

    def test_messages_without_a_key_are_never_duplicates(self, kit: Kit) -> None:
        """No key is not a key that all of them share."""
        assert all(receipt.fate is Fate.ACCEPTED for receipt in kit.publish("a", "b", "c"))

    def test_the_key_is_held_while_the_message_waits_or_runs(self, kit: Kit) -> None:
        """Scheduled, ready and running messages hold their key."""
        kit.publish("a", unique="k", delay=10)
        assert kit.publish("b", unique="k")[0].fate is Fate.DUPLICATE
        kit.advance(11)
        kit.lease()
        assert kit.publish("c", unique="k")[0].fate is Fate.DUPLICATE

    @pytest.mark.parametrize("outcome", [Ack(), DeadLetter("bug"), Discard("old"), Cancel(), Expire()])
    def test_the_key_is_free_at_the_end(self, kit: Kit, outcome: Outcome) -> None:
        """Whatever the end, death included, the next of that key is welcome."""
        kit.finish(outcome, unique="k")
        assert kit.publish("b", unique="k")[0].fate is Fate.ACCEPTED
        assert kit.take() == ["b"]

    def test_cancelling_a_waiting_message_frees_its_key(self, kit: Kit) -> None:
        """A message that never ran gives its key back as well."""
        kit.publish("a", unique="k")
        kit.cancel("a")
        assert kit.publish("b", unique="k")[0].fate is Fate.ACCEPTED

    @pytest.mark.parametrize("delay", [0, 60], ids=["ready", "scheduled"])
    def test_one_that_is_too_late_to_start_holds_its_key_no_longer(self, kit: Kit, delay: float) -> None:
        """Nobody is told that a message stands for theirs which nobody will run; it ends as expired all the same."""
        kit.publish("late", unique="k", ttl=5, delay=delay)
        kit.advance(4)
        assert kit.publish("b", unique="k") == [Receipt(ident("late"), Fate.DUPLICATE)]
        kit.advance(2)
        assert [receipt.fate for receipt in kit.publish("c", "d", unique="k")] == [Fate.ACCEPTED, Fate.DUPLICATE]
        assert kit.take() == ["c"]
        kit.tidy()
        assert kit.state("late") == "expired"
        assert kit.publish("e", unique="k") == [Receipt(ident("c"), Fate.DUPLICATE)]

    def test_nor_does_one_whose_next_attempt_would_come_too_late(self, kit: Kit) -> None:
        """While it runs it holds its key, however long; once it waits again it is as any other that waits."""
        kit.publish("late", unique="k", ttl=5)
        (delivery,) = kit.lease()
        kit.advance(6)
        assert kit.publish("b", unique="k")[0].fate is Fate.DUPLICATE
        kit.settle(Retry(20, BOOM), delivery)
        assert kit.publish("c", unique="k")[0].fate is Fate.ACCEPTED
        assert kit.take() == ["c"]

    def test_a_debounced_one_of_another_task_waits_for_none_that_is_too_late(self, kit: Kit) -> None:
        """It cannot take its place, and is not a duplicate of what will not run."""
        kit.publish("late", unique="k", ttl=5, task="other")
        kit.advance(6)
        assert kit.publish("b", unique="k", debounce=5)[0].fate is Fate.ACCEPTED

    def test_expiring_frees_the_key(self, kit: Kit) -> None:
        """A message whose time ran out gives its key back when it is tidied away."""
        kit.publish("a", unique="k", ttl=5)
        kit.advance(6)
        kit.tidy()
        assert kit.publish("b", unique="k")[0].fate is Fate.ACCEPTED
