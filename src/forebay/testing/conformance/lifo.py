"""A queue whose newest message runs first: what that order is, and that everything else about it stays as it is."""

from typing import Any

from forebay.model.lifecycle import State
from forebay.model.outcome import DeadLetter, Release, Retry
from forebay.model.queue import QueueSpec
from forebay.store.records import Choice
from forebay.testing.conformance.kit import BOOM, Kit, ident, names
from forebay.testing.conformance.moves import OUT, depart, moves
from forebay.testing.conformance.reserve import fates


def newest_first(kit: Kit, **more: Any) -> None:
    """Declare a queue whose newest message runs first."""
    kit.needs("lifo")
    kit.run(kit.backend.declare([QueueSpec(name="q", lifo=True, **more)]))


class TestNewestFirst:
    def test_the_newest_is_leased_first(self, kit: Kit) -> None:
        """One by one or many at once: what was accepted last starts first."""
        newest_first(kit)
        kit.publish("a", "b", "c")
        kit.publish("d")
        assert kit.take(2) == ["d", "c"]
        kit.publish("e")
        assert kit.take() == ["e", "b", "a"]

    def test_priority_goes_before_age(self, kit: Kit) -> None:
        """Only of one priority the newest goes first."""
        newest_first(kit)
        kit.publish("high", priority=5)
        kit.publish("a", "b")
        kit.publish("low", priority=-1)
        assert kit.take() == ["high", "b", "a", "low"]

    def test_what_comes_back_stands_where_it_was_accepted(self, kit: Kit) -> None:
        """A retry, and what was handed back, let newer ones pass."""
        newest_first(kit)
        kit.publish("a", "b")
        b, a = kit.lease()
        kit.publish("c")
        kit.settle(Release(), a)
        kit.settle(Retry(0.0, BOOM), b)
        assert kit.take() == ["c", "b", "a"]

    def test_what_was_delayed_stands_where_it_was_accepted(self, kit: Kit) -> None:
        """Once it is due, what was published after it goes first."""
        kit.needs("delays")
        newest_first(kit)
        kit.publish("later", delay=5.0)
        kit.publish("a")
        kit.advance(6.0)
        assert kit.take() == ["a", "later"]

    def test_keys_and_tasks_told_apart_have_the_newest_first_each(self, kit: Kit) -> None:
        """A bound of each key, and a gate of a task, leave the order as it is."""
        newest_first(kit, key_concurrency=1)
        kit.publish("a", "b", key="k")
        kit.publish("c", "d", task="t")
        kit.close_gate(task="t")
        assert kit.take() == ["b"]
        kit.publish("e", task="t")
        kit.open_gate(task="t")
        assert kit.take() + kit.take() == ["e", "d", "c"]

    def test_a_rate_lets_the_newest_through(self, kit: Kit) -> None:
        """What waits for its turn is the oldest."""
        newest_first(kit, rate=1.0, burst=1.0)
        kit.publish("a", "b", "c")
        assert kit.take() == ["c"]
        kit.publish("d")
        kit.advance(1.5)
        assert kit.take() == ["d"]

    def test_a_queue_that_becomes_so_runs_what_is_new_before_what_waited(self, kit: Kit) -> None:
        """What waits keeps its place, behind what comes from then on; and so it does when that is taken back."""
        kit.publish("a", "b")
        newest_first(kit)
        kit.publish("c", "d")
        assert kit.take(1) == ["d"]
        (told,) = kit.run(kit.backend.declare([QueueSpec(name="q")]))
        assert (told.before.lifo, told.now.lifo) == (True, False)
        kit.publish("e")
        assert kit.take() == ["c", "a", "b", "e"]

    def test_how_long_the_oldest_has_waited_is_known(self, kit: Kit) -> None:
        """The age of a queue is that of the message that will run last."""
        newest_first(kit)
        kit.publish("a")
        kit.advance(10.0)
        kit.publish("b", "c")
        assert kit.depth().age == 10.0
        assert kit.take(2) == ["c", "b"]
        assert kit.depth().age == 10.0

    def test_a_limit_of_age_sees_the_oldest(self, kit: Kit) -> None:
        """Nothing more comes in while the oldest has waited too long, however new the first is."""
        kit.needs("limits")
        newest_first(kit, limit_age=5.0)
        kit.publish("a")
        kit.advance(4.0)
        assert fates(kit, "b") == "+"
        kit.advance(2.0)
        assert fates(kit, "c") == "-"

    def test_the_oldest_are_shed(self, kit: Kit) -> None:
        """Where newer ones take their places, it is the last of the line that goes."""
        kit.needs("limits")
        newest_first(kit, limit=2, on_full="shed_oldest")
        kit.publish("a", "b")
        kit.publish("c")
        assert [kit.state(name) for name in "abc"] == [State.DISCARDED, State.READY, State.READY]
        assert kit.take() == ["c", "b"]

    def test_how_many_are_ahead_is_right(self, kit: Kit) -> None:
        """Each that comes lets the others wait for one more."""
        newest_first(kit)
        kit.publish("a", "b", "c")
        assert [kit.run(kit.backend.ahead(ident(name), 10)) for name in "abc"] == [2, 1, 0]

    def test_all_of_it_is_listed_page_by_page(self, kit: Kit) -> None:
        """Nothing is left out, whatever the order."""
        kit.needs("browse")
        newest_first(kit)
        kit.publish("a", "b", "c")
        kit.publish("other", queue="p")
        first = kit.listed(queue="q", limit=2)
        rest = kit.listed(queue="q", limit=2, after=ident(first[-1]))
        assert sorted(first + rest) == ["a", "b", "c"]
        assert sorted(kit.listed()) == ["a", "b", "c", "other"]

    def test_all_of_it_can_be_cancelled(self, kit: Kit) -> None:
        """An operator who cancels a queue cancels all of it."""
        kit.needs("cancel")
        newest_first(kit)
        kit.publish("a", "b", "c")
        assert kit.run(kit.backend.cancel_all(Choice(queue="q"))) == 3
        assert kit.take() == []

    def test_a_dead_letter_comes_back_behind_all(self, kit: Kit) -> None:
        """It is not new: what waits and what comes goes first."""
        newest_first(kit)
        kit.publish("a")
        kit.settle(DeadLetter("no"), *kit.lease())
        kit.publish("b")
        assert kit.run(kit.backend.redrive(Choice(ids=[ident("a")]))) == 1
        kit.publish("c")
        assert kit.take() == ["c", "b", "a"]

    def test_all_of_it_leaves_when_it_is_moved(self, kit: Kit) -> None:
        """Nothing of it is left behind, batch by batch."""
        kit.needs("moves")
        newest_first(kit)
        kit.publish("a", "b", "c")
        kit.run(moves(kit).claim(OUT, "me"))
        load = depart(kit, limit=2)
        assert load.after is not None
        rest = depart(kit, limit=2, after=load.after)
        assert sorted(names([*load.passages, *rest.passages])) == ["a", "b", "c"]
        assert kit.depth().ready == 0
