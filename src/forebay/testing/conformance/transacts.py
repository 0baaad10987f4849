"""What publishing and settling in a transaction of the caller's own promise: all of it, or nothing."""

from contextlib import suppress
from typing import Any, cast

import pytest

from forebay.engine.backend import Completed, Transacts
from forebay.engine.contract import Fate, Receipt
from forebay.model.delivery import Delivery
from forebay.model.errors import QueueFull
from forebay.model.message import Carried, Message
from forebay.model.outcome import Ack, Retry, Settlement
from forebay.model.queue import QueueSpec
from forebay.testing.conformance.kit import BOOM, LONG, PROMPT, Begin, Kit, ident


class Undone(Exception):
    """The transaction is to be undone."""


def transacts(kit: Kit) -> Transacts:
    """What an engine that says so has beside its verbs."""
    return cast("Transacts", cast("Any", kit.backend).transacts)


def publish_in(kit: Kit, connection: Any, *called: str, queue: str = "q", **fields: Any) -> list[Receipt]:
    """Publish within a transaction."""
    messages = [Message(id=ident(name), queue=queue, **fields) for name in called]
    return kit.run(transacts(kit).publish_in(connection, messages))


class TestTransacts:
    @pytest.fixture(autouse=True)
    def _transacts(self, kit: Kit) -> None:
        kit.needs("transacts")

    def test_what_is_committed_is_there(self, kit: Kit, begin: Begin) -> None:
        """Not before; and then in order, and counted."""
        with begin(kit.backend) as connection:
            assert publish_in(kit, connection, "a", "b") == [Receipt(ident("a")), Receipt(ident("b"))]
            assert (kit.find("a"), kit.depth().ready) == (None, 0)
        assert (kit.state("a"), kit.depth().ready, kit.depth().published) == ("ready", 2, 2)
        assert kit.take() == ["a", "b"]

    def test_what_is_undone_was_never_there(self, kit: Kit, begin: Begin) -> None:
        """Its id is free, and no number knows of it."""
        with suppress(Undone), begin(kit.backend) as connection:
            publish_in(kit, connection, "a", queue="new")
            raise Undone
        assert (kit.find("a"), kit.depth("new").published, kit.take(queues=("new",))) == (None, 0, [])
        assert kit.publish("a") == [Receipt(ident("a"))]

    def test_a_full_queue_leaves_the_transaction_as_it_was(self, kit: Kit, begin: Begin) -> None:
        """What has no room raises at once, and none of the call is in the transaction, which goes on."""
        kit.run(kit.backend.declare([QueueSpec(name="q", limit=2)]))
        with begin(kit.backend) as connection:
            publish_in(kit, connection, "a", queue="other")
            with pytest.raises(QueueFull, match="the transaction is as it was") as caught:
                publish_in(kit, connection, "b", "c", "d")
            assert (caught.value.queue, caught.value.ids) == ("q", (ident("d"),))
            publish_in(kit, connection, "e", "f")
        assert (kit.take(queues=("other",)), kit.take()) == (["a"], ["e", "f"])

    def test_it_waits_as_it_says(self, kit: Kit, begin: Begin) -> None:
        """Priority, delay, time to live, key and history are those of any message."""
        with begin(kit.backend) as connection:
            publish_in(kit, connection, "low")
            publish_in(kit, connection, "high", priority=5, key="k", headers={"h": "1"})
            publish_in(kit, connection, "later", delay=10)
            publish_in(kit, connection, "gone", ttl=5, delay=6)
            publish_in(kit, connection, "moved", carried=Carried(attempt=2))
        assert (kit.found("high").key, kit.found("high").headers, kit.found("moved").attempt) == ("k", {"h": "1"}, 2)
        assert kit.take() == ["high", "low", "moved"]
        kit.advance(10)
        assert kit.take() == ["later"]
        assert kit.state("gone") == "expired"

    def test_a_duplicate_is_one_there_too(self, kit: Kit, begin: Begin) -> None:
        """Of what is committed, and of what the transaction itself has published."""
        kit.publish("a", unique="u")
        with begin(kit.backend) as connection:
            assert publish_in(kit, connection, "a") == [Receipt(ident("a"), Fate.DUPLICATE)]
            assert publish_in(kit, connection, "b", unique="u") == [Receipt(ident("a"), Fate.DUPLICATE)]
            publish_in(kit, connection, "c", unique="v")
            assert publish_in(kit, connection, "d", unique="v") == [Receipt(ident("c"), Fate.DUPLICATE)]
        assert kit.take() == ["a", "c"]

    def test_a_merge_is_undone_with_its_transaction(self, kit: Kit, begin: Begin) -> None:
        """The one that waits keeps the arguments that it had."""
        form: dict[str, Any] = {"unique": "u", "debounce": 5}
        kit.publish("a", body=b"old", **form)
        with suppress(Undone), begin(kit.backend) as connection:
            assert publish_in(kit, connection, "b", body=b"new", **form)[0].fate is Fate.MERGED
            raise Undone
        assert kit.found("a").body == b"old"
        with begin(kit.backend) as connection:
            publish_in(kit, connection, "b", body=b"new", **form)
        assert (kit.found("a").body, kit.depth().scheduled) == (b"new", 1)

    def test_whoever_waits_is_woken_by_the_commit(self, live: Kit, begin: Begin) -> None:
        """In this process at once; elsewhere at once too, or at the next look."""
        live.needs("transacts")
        live.take()
        with begin(live.backend) as connection:
            publish_in(live, connection, "a")
        assert live.take_patiently() == ["a"]

    def test_it_knows_whose_connection_it_is(self, kit: Kit, begin: Begin) -> None:
        """One to its own place, and nothing else."""
        owns = transacts(kit).owns
        with begin(kit.backend) as connection:
            assert (kit.run(owns(connection)), kit.run(owns(object()))) == (True, False)


class TestCompletes:
    @pytest.fixture(autouse=True)
    def _transacts(self, kit: Kit) -> None:
        kit.needs("transacts")

    def leased(self, kit: Kit, worker: str = "w") -> Delivery:
        """The message "a", which `worker` holds."""
        kit.publish("a", unique="u")
        (delivery,) = kit.lease(1, worker)
        return delivery

    def complete_in(self, kit: Kit, connection: Any, delivery: Delivery, worker: str = "w", **ack: Any) -> bool:
        """Have it done within a transaction; whether the worker held it."""
        settlement = Settlement(delivery, Ack(**ack), 0.25)
        return kit.run(transacts(kit).complete_in(connection, worker, settlement))

    def completed(self, kit: Kit, delivery: Delivery, worker: str = "w") -> Completed:
        """What has become of that."""
        return kit.run(transacts(kit).completed(worker, [delivery]))[0]

    def test_what_is_done_in_a_transaction_is_done_by_its_commit(self, kit: Kit, begin: Begin) -> None:
        """Not before; with its result, its run time and what it has published, once."""
        delivery = self.leased(kit)
        with begin(kit.backend) as connection:
            assert self.complete_in(kit, connection, delivery, result=b"r")
            publish_in(kit, connection, "b", unique="u")
            assert kit.state("a") == "running"
        assert (kit.state("a"), kit.found("a").result, self.completed(kit, delivery)) == ("done", b"r", "committed")
        depth = kit.depth()
        assert (depth.running, depth.done, depth.ready, depth.seconds) == (0, 1, 1, 0.25)
        assert kit.settle(Retry(1, BOOM), delivery) == [False]
        assert (kit.state("a"), kit.take()) == ("done", ["b"])

    def test_what_is_undone_runs_as_before(self, kit: Kit, begin: Begin) -> None:
        """Its worker holds it, and settles it as any other."""
        delivery = self.leased(kit)
        with suppress(Undone), begin(kit.backend) as connection:
            assert self.complete_in(kit, connection, delivery)
            raise Undone
        assert (kit.state("a"), kit.depth().done, self.completed(kit, delivery)) == ("running", 0, "undone")
        assert kit.settle(Retry(1, BOOM), delivery) == [True]
        assert (kit.state("a"), self.completed(kit, delivery)) == ("scheduled", "lost")

    def test_whoever_has_lost_the_lease_completes_nothing(self, kit: Kit, begin: Begin) -> None:
        """Neither a worker whose lease ran out, nor one that was buried, nor under an older fence."""
        delivery = self.leased(kit)
        kit.advance(LONG + 1)
        with begin(kit.backend) as connection:
            assert not self.complete_in(kit, connection, delivery)
        kit.recover()
        with begin(kit.backend) as connection:
            assert not self.complete_in(kit, connection, delivery)
        (again,) = kit.lease(1, "other")
        with begin(kit.backend) as connection:
            assert not self.complete_in(kit, connection, delivery)
            assert not self.complete_in(kit, connection, delivery, "other")
            assert not self.complete_in(kit, connection, again)
        assert (kit.state("a"), self.completed(kit, delivery)) == ("running", "lost")
        kit.settle(Ack(), again, worker="other")
        assert (self.completed(kit, delivery), self.completed(kit, again, "other")) == ("lost", "committed")

    def test_it_completes_once(self, kit: Kit, begin: Begin) -> None:
        """A second time in a transaction finds that the worker holds it no more; what keeps no end is done, too."""
        delivery = self.leased(kit)
        with begin(kit.backend) as connection:
            assert self.complete_in(kit, connection, delivery, keep=0.0)
            assert not self.complete_in(kit, connection, delivery)
        assert (kit.state("a"), self.completed(kit, delivery), kit.depth().done) == (None, "committed", 1)

    def test_whoever_waits_for_the_end_is_woken_by_the_commit(self, live: Kit, begin: Begin) -> None:
        """As for any end."""
        live.needs("transacts")
        delivery, since = self.leased(live), live.mark()
        live.watch(since, 0.0, "a")
        with begin(live.backend) as connection:
            self.complete_in(live, connection, delivery)
        assert live.watch(since, 10 * PROMPT, "a") < 10 * PROMPT
