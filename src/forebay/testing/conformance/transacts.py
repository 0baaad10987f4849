"""What publishing in a transaction of the caller's own promises, to engines that have it: all of it, or nothing."""

from contextlib import suppress
from typing import Any, cast

import pytest

from forebay.engine.backend import Transacts
from forebay.engine.contract import Fate, Receipt
from forebay.model.message import Carried, Message
from forebay.testing.conformance.kit import Begin, Kit, ident


class Undone(Exception):
    """The transaction is to be undone."""


def transacts(kit: Kit) -> Transacts:
    """What an engine that says so has beside its verbs."""
    return cast("Transacts", cast("Any", kit.backend).transacts)


class TestTransacts:
    @pytest.fixture(autouse=True)
    def _transacts(self, kit: Kit) -> None:
        kit.needs("transacts")

    def publish_in(self, kit: Kit, connection: Any, *called: str, queue: str = "q", **fields: Any) -> list[Receipt]:
        """Publish within a transaction."""
        messages = [Message(id=ident(name), queue=queue, **fields) for name in called]
        return kit.run(transacts(kit).publish_in(connection, messages))

    def test_what_is_committed_is_there(self, kit: Kit, begin: Begin) -> None:
        """Not before; and then in order, and counted."""
        with begin(kit.backend) as connection:
            assert self.publish_in(kit, connection, "a", "b") == [Receipt(ident("a")), Receipt(ident("b"))]
            assert (kit.find("a"), kit.depth().ready) == (None, 0)
        assert (kit.state("a"), kit.depth().ready, kit.depth().published) == ("ready", 2, 2)
        assert kit.take() == ["a", "b"]

    def test_what_is_undone_was_never_there(self, kit: Kit, begin: Begin) -> None:
        """Its id is free, and no number knows of it."""
        with suppress(Undone), begin(kit.backend) as connection:
            self.publish_in(kit, connection, "a", queue="new")
            raise Undone
        assert (kit.find("a"), kit.depth("new").published, kit.take(queues=("new",))) == (None, 0, [])
        assert kit.publish("a") == [Receipt(ident("a"))]

    def test_it_waits_as_it_says(self, kit: Kit, begin: Begin) -> None:
        """Priority, delay, time to live, key and history are those of any message."""
        with begin(kit.backend) as connection:
            self.publish_in(kit, connection, "low")
            self.publish_in(kit, connection, "high", priority=5, key="k", headers={"h": "1"})
            self.publish_in(kit, connection, "later", delay=10)
            self.publish_in(kit, connection, "gone", ttl=5, delay=6)
            self.publish_in(kit, connection, "moved", carried=Carried(attempt=2))
        assert (kit.found("high").key, kit.found("high").headers, kit.found("moved").attempt) == ("k", {"h": "1"}, 2)
        assert kit.take() == ["high", "low", "moved"]
        kit.advance(10)
        assert kit.take() == ["later"]
        assert kit.state("gone") == "expired"

    def test_a_duplicate_is_one_there_too(self, kit: Kit, begin: Begin) -> None:
        """Of what is committed, and of what the transaction itself has published."""
        kit.publish("a", unique="u")
        with begin(kit.backend) as connection:
            assert self.publish_in(kit, connection, "a") == [Receipt(ident("a"), Fate.DUPLICATE)]
            assert self.publish_in(kit, connection, "b", unique="u") == [Receipt(ident("a"), Fate.DUPLICATE)]
            self.publish_in(kit, connection, "c", unique="v")
            assert self.publish_in(kit, connection, "d", unique="v") == [Receipt(ident("c"), Fate.DUPLICATE)]
        assert kit.take() == ["a", "c"]

    def test_a_merge_is_undone_with_its_transaction(self, kit: Kit, begin: Begin) -> None:
        """The one that waits keeps the arguments that it had."""
        form: dict[str, Any] = {"unique": "u", "debounce": 5}
        kit.publish("a", body=b"old", **form)
        with suppress(Undone), begin(kit.backend) as connection:
            assert self.publish_in(kit, connection, "b", body=b"new", **form)[0].fate is Fate.MERGED
            raise Undone
        assert kit.found("a").body == b"old"
        with begin(kit.backend) as connection:
            self.publish_in(kit, connection, "b", body=b"new", **form)
        assert (kit.found("a").body, kit.depth().scheduled) == (b"new", 1)

    def test_whoever_waits_is_woken_by_the_commit(self, live: Kit, begin: Begin) -> None:
        """In this process at once; elsewhere at once too, or at the next look."""
        live.needs("transacts")
        live.take()
        with begin(live.backend) as connection:
            self.publish_in(live, connection, "a")
        assert live.take_patiently() == ["a"]

    def test_it_knows_whose_connection_it_is(self, kit: Kit, begin: Begin) -> None:
        """One to its own place, and nothing else."""
        owns = transacts(kit).owns
        with begin(kit.backend) as connection:
            assert (kit.run(owns(connection)), kit.run(owns(object()))) == (True, False)
