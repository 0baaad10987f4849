"""What moving promises, of one store: what has left is kept, what comes is as it was, and nothing comes twice.

The way between two stores, and what may interrupt it, is tried elsewhere; these are its four steps.
"""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from forebay.engine.backend import Moves
from forebay.engine.contract import Fate, Receipt
from forebay.model.errors import EngineError
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, DeadLetter, Retry, Snooze
from forebay.model.passage import MOST, Passage
from forebay.store.records import Choice, Load, Route
from forebay.testing.conformance.kit import BOOM, Kit, ident, names

ROUTE = "there>here"
OUT = "here>there"


def moves(kit: Kit) -> Moves:
    """What an engine that says so has beside its verbs."""
    return cast("Moves", cast("Any", kit.backend).moves)


def depart(kit: Kit, queue: str = "q", mover: str = "me", **how: Any) -> Load:
    """Messages leave."""
    return kit.run(moves(kit).depart(OUT, mover, queue, **how))


def arrive(kit: Kit, passages: Sequence[Passage], mover: str = "me") -> list[Receipt]:
    """Messages come."""
    return kit.run(moves(kit).arrive(ROUTE, mover, passages))


def forget(kit: Kit, route: str, *called: str) -> None:
    """They are known to be where they have to be."""
    kit.run(moves(kit).forget(route, "me", [ident(name) for name in called]))


def aside(kit: Kit, **how: Any) -> list[str]:
    """The names of what has left, and may not have come yet."""
    return names(kit.run(moves(kit).aside(OUT, **how)).passages)


class Claimed:
    """Both routes are claimed."""

    @pytest.fixture(autouse=True)
    def _claimed(self, kit: Kit) -> None:
        kit.needs("moves")
        for route in (ROUTE, OUT):
            kit.run(moves(kit).claim(route, "me"))


class TestLeaves(Claimed):
    def test_what_has_left_is_kept_aside_and_nobody_gets_it(self, kit: Kit) -> None:
        """It is in no queue, no number, and under no lock any more; and it is not lost."""
        kit.publish("a", "b", unique=None)
        kit.publish("c", unique="u")
        assert names(depart(kit).passages) == ["a", "b", "c"]
        depth = kit.depth()
        assert (depth.ready, depth.published, kit.take(), kit.find("a")) == (0, 3, [], None)
        assert aside(kit) == ["a", "b", "c"]
        assert kit.publish("d", unique="u") == [Receipt(ident("d"))]

    def test_what_runs_is_left_alone(self, kit: Kit) -> None:
        """Whoever runs it goes on, and settles it here."""
        kit.publish("a", "b")
        (running,) = kit.lease(1)
        assert names(depart(kit).passages) == ["b"]
        assert kit.settle(Retry(5, BOOM), running) == [True]
        assert names(depart(kit).passages) == ["a"]
        assert (kit.depth().scheduled, kit.depth().running) == (0, 0)

    def test_what_stands_aside_comes_back_as_it_was(self, kit: Kit) -> None:
        """Once, and only what stood there."""
        kit.publish("a", "b", key="k", priority=2)
        before = kit.found("a")
        depart(kit)
        forget(kit, OUT, "b")
        back = [ident("a"), ident("b")]
        kit.run(moves(kit).back(OUT, "me", back))
        kit.run(moves(kit).back(OUT, "me", back))
        assert (kit.found("a"), aside(kit), kit.depth().ready) == (before, [], 1)
        assert kit.take() == ["a"]

    def test_one_whose_key_was_taken_meanwhile_stays_aside(self, kit: Kit) -> None:
        """It is not lost."""
        kit.publish("a", unique="u")
        depart(kit)
        kit.publish("b", unique="u")
        assert kit.run(moves(kit).back(OUT, "me", [ident("a")])) == [Receipt(ident("b"), Fate.DUPLICATE)]
        assert aside(kit) == ["a"]

    def test_whoever_claims_a_route_is_the_only_one_to_move_along_it(self, kit: Kit) -> None:
        """One who was there before, and was frozen perhaps, changes nothing any more."""
        kit.publish("a", "b")
        load = depart(kit, limit=1)
        for route in (ROUTE, OUT):
            kit.run(moves(kit).claim(route, "other"))
        verbs = moves(kit)
        for late in (
            verbs.arrive(ROUTE, "me", load.passages),
            verbs.depart(OUT, "me", "q"),
            verbs.depart(OUT, "me", "q", dead=True),
            verbs.back(OUT, "me", [ident("a")]),
            verbs.forget(OUT, "me", [ident("a")]),
            verbs.forget(ROUTE, "me"),
        ):
            with pytest.raises(EngineError, match="another `forebay move`"):
                kit.run(late)
        assert (kit.take(), aside(kit)) == (["b"], ["a"])
        assert arrive(kit, load.passages, "other") == [Receipt(ident("a"))]

    def test_a_load_is_bounded_and_says_where_to_go_on(self, kit: Kit) -> None:
        """By number, and by size; each place is met once."""
        kit.publish(*"abcde")
        kit.publish("f", "g", body=bytes(MOST * 2 // 3))
        seen, after = list[str](), 0
        while True:
            load = depart(kit, after=after, limit=2)
            seen += names(load.passages)
            assert len(load.passages) <= 2
            if load.after is None:
                break
            after = load.after
        assert seen == list("abcdefg")
        first = kit.run(moves(kit).aside(OUT, limit=3))
        assert (names(first.passages), aside(kit, after=first.after)) == (["a", "b", "c"], ["d", "e", "f", "g"])

    def test_a_queue_is_moved_and_no_other(self, kit: Kit) -> None:
        """Scheduled ones as well, in order of acceptance."""
        kit.publish("a", delay=50)
        kit.publish("x", queue="other")
        kit.publish("b")
        assert names(depart(kit).passages) == ["a", "b"]
        assert kit.take(queues=("other",)) == ["x"]

    def test_it_is_known_what_is_on_its_way(self, kit: Kit) -> None:
        """By route, with the place where it leads; nothing is said of routes that nothing is kept for."""
        kit.publish("a", "b")
        kit.run(moves(kit).claim(OUT, "me", "sqlite:///there.db"))
        load = depart(kit)
        arrive(kit, [replace(load.passages[0], id=ident("z"))])
        here = Route(OUT, "sqlite:///there.db", aside=2), Route(ROUTE, "", marked=1)
        assert kit.run(moves(kit).routes()) == list(here)
        forget(kit, OUT, "a", "b")
        kit.run(moves(kit).forget(ROUTE, "me"))
        assert kit.run(moves(kit).routes()) == []

    def test_a_store_has_one_name(self, kit: Kit) -> None:
        """Made once, and kept."""
        name = kit.run(moves(kit).named())
        assert len(name) >= 16
        assert kit.run(moves(kit).named()) == name


class TestArrives(Claimed):
    def test_all_that_is_known_of_a_message_goes_along(self, kit: Kit) -> None:
        """And is there again where it arrives, to the second."""
        kit.publish(
            "a", task="t", body=b"\0body", headers={"h": "1"}, key="k", priority=3, lane="cpu", ttl=900, unique="u"
        )
        (run,) = kit.lease()
        kit.settle(Retry(60, BOOM), run)
        before = kit.found("a")
        (passage,) = depart(kit).passages
        assert passage.scheduled
        assert arrive(kit, [passage]) == [Receipt(ident("a"))]
        assert kit.found("a") == before
        kit.advance(59)
        assert kit.take() == []
        kit.advance(1)
        (again,) = kit.lease()
        assert (again.attempt, again.priority, again.lane, again.key, again.body) == (2, 3, "cpu", "k", b"\0body")
        assert kit.publish("x", unique="u") == [Receipt(ident("a"), Fate.DUPLICATE)]

    def test_why_it_waits_goes_along(self, kit: Kit) -> None:
        """And since when nobody knew its task, and how far it had come, and how many it has killed."""
        kit.publish("a")
        kit.beat("lost")
        kit.lease(worker="lost")
        kit.recover("lost")
        (run,) = kit.lease()
        kit.run(kit.backend.progress(run, msgspec.msgpack.encode(7)))
        kit.settle(Snooze(60, "snooze for 60.0 s"), run)
        before = kit.found("a")
        arrive(kit, depart(kit).passages)
        assert kit.found("a") == before
        assert (before.lost, before.cause, before.progress) == (1, "snooze for 60.0 s", b"\x07")

    def test_what_waited_long_is_as_old_there(self, kit: Kit) -> None:
        """And stands at the end of the line all the same, in the order in which it came."""
        kit.publish("a", "b")
        kit.advance(300)
        load = depart(kit)
        kit.publish("c")
        arrive(kit, load.passages)
        assert kit.depth().age == pytest.approx(300)
        assert kit.take() == ["c", "a", "b"]

    def test_dead_letters_are_dead_letters_there(self, kit: Kit) -> None:
        """With cause, failure and arguments; they can be redriven."""
        kit.publish("a", body=b"args", key="k", headers={"h": "1"}, unique="u")
        (run,) = kit.lease()
        kit.settle(DeadLetter("gave up", BOOM), run)
        before = kit.found("a")
        assert depart(kit).passages == []
        load = depart(kit, dead=True)
        assert (names(load.passages), kit.depth().dead) == (["a"], 0)
        kit.publish("b", unique="u")
        assert arrive(kit, load.passages) == [Receipt(ident("a"))]
        assert (kit.found("a"), kit.depth().dead) == (before, 1)
        kit.finish_all()
        assert kit.run(kit.backend.redrive(Choice(queue="q"))) == 1
        assert kit.take() == ["a"]

    def test_a_dead_letter_of_a_queue_that_nobody_knows_here_can_be_redriven(self, kit: Kit) -> None:
        """And is leased then, whatever its lane and priority."""
        letter = Passage(
            id=ident("a"), queue="new", lane="cpu", priority=7, created=kit.now(), died=kit.now(), cause="x"
        )
        arrive(kit, [letter])
        assert kit.run(kit.backend.redrive(Choice(queue="new"))) == 1
        assert kit.take(queues=("new",)) == ["a"]

    def test_arriving_twice_is_arriving_once(self, kit: Kit) -> None:
        """As long as it is marked: whatever has become of it, and however long ago its end is forgotten."""
        kit.publish("a")
        load = depart(kit)
        arrive(kit, load.passages)
        assert arrive(kit, load.passages) == [Receipt(ident("a"))]
        assert kit.run(moves(kit).marked(ROUTE, [ident("a"), ident("b")])) == [ident("a")]
        assert (kit.depth().ready, kit.take()) == (1, ["a"])
        (run,) = kit.run(kit.backend.held("w"))
        kit.settle(Ack(keep=0), run)
        assert kit.find("a") is None
        assert arrive(kit, load.passages) == [Receipt(ident("a"))]
        assert kit.take() == []
        forget(kit, ROUTE, "a")
        arrive(kit, load.passages)
        assert kit.take() == ["a"]

    def test_a_known_id_is_a_duplicate_that_changes_nothing(self, kit: Kit) -> None:
        """Live or ended; from then on it is marked."""
        kit.publish("a", body=b"here")
        there = Passage(id=ident("a"), queue="q", body=b"there", created=kit.now())
        assert arrive(kit, [there]) == [Receipt(ident("a"), Fate.DUPLICATE)]
        assert kit.found("a").body == b"here"
        assert arrive(kit, [there]) == [Receipt(ident("a"))]

    def test_one_whose_unique_key_is_held_does_not_come_in(self, kit: Kit) -> None:
        """By one that is here, or that came a moment before it; it may come when that has ended."""
        kit.publish("a", unique="u")
        b, c, d = (Passage(id=ident(name), queue="q", unique=key, created=1.0) for name, key in ("bu", "cv", "dv"))
        told = [Receipt(ident("a"), Fate.DUPLICATE), Receipt(ident("c")), Receipt(ident("c"), Fate.DUPLICATE)]
        assert arrive(kit, [b, c, d]) == told
        kit.finish_all()
        assert arrive(kit, [b, d]) == [Receipt(ident("b")), Receipt(ident("d"))]

    def test_order_and_turns_of_keys_are_as_there(self, kit: Kit) -> None:
        """One that failed keeps its place at the head of its key; others of that key wait for it."""
        kit.declare(ordered=True)
        kit.publish("a", "b", key="k")
        (run,) = kit.lease()
        kit.settle(Retry(60, BOOM), run)
        arrive(kit, depart(kit).passages)
        kit.publish("c", key="other")
        assert kit.take() == ["c"]
        kit.advance(60)
        (first,) = kit.lease()
        assert names([first]) == ["a"]
        kit.settle(Ack(), first)
        assert kit.take() == ["b"]

    def test_meters_and_cost_go_along(self, kit: Kit) -> None:
        """It passes there what it had to pass here."""
        kit.needs("meters")
        kit.run(kit.backend.put_meters([Meter(name="api", slots=1)]))
        kit.publish("a", "b", meters=("api",), cost=3.0)
        (passage, other) = depart(kit).passages
        assert (passage.meters, passage.cost) == (("api",), 3.0)
        arrive(kit, [passage, other])
        assert (kit.take(), kit.meters("api")[0].running) == (["a"], 1)
