"""A limit of which a part is kept for messages of a priority above 0: who is refused first."""

from typing import Any

import pytest

from forebay.engine.contract import Fate
from forebay.model.message import PARENT, Message
from forebay.model.queue import QueueSpec
from forebay.testing.conformance.kit import Kit, ident


def limited(kit: Kit, limit: int, reserve: float, **more: Any) -> None:
    """Declare a queue that keeps a part of its limit."""
    kit.needs("limits", "priorities")
    kit.run(kit.backend.declare([QueueSpec(name="q", limit=limit, reserve=reserve, **more)]))


def fates(kit: Kit, *called: str, **fields: Any) -> str:
    """What became of messages of these names: "+" of one that came in, "-" of one that was refused."""
    return "".join("+" if one.fate is Fate.ACCEPTED else "-" for one in kit.publish(*called, **fields))


class TestReserve:
    def test_only_a_priority_takes_what_is_kept(self, kit: Kit) -> None:
        """Of ten places two are kept: usual messages are refused from eight on, and told so."""
        limited(kit, 10, 0.2)
        assert fates(kit, *"abcdefghij") == "++++++++--"
        full = kit.publish("k")[0].full
        assert full is not None
        assert full.why == "8 messages wait, and limit=10 keeps 2 places for a priority above 0"
        assert fates(kit, "l", "m", "n", priority=1) == "++-"
        full = kit.publish("o", priority=1)[0].full
        assert full is not None
        assert full.why == "10 messages wait, and limit=10"

    def test_a_batch_that_fills_it_finds_it_full_and_one_refused_for_the_reserve_does_not(self, kit: Kit) -> None:
        """Its numbers tell a queue that takes urgent messages alone from one that takes none."""
        limited(kit, 10, 0.2)
        assert fates(kit, *"abcdefghij") == "++++++++--"
        assert (kit.depth().reserved, kit.depth().full) == (2, 0.0)
        assert fates(kit, "l", "m", "n", priority=1) == "++-"
        assert kit.depth().full == pytest.approx(kit.clock.now())

    def test_a_priority_below_zero_is_refused_like_zero(self, kit: Kit) -> None:
        """What is kept is for a priority above 0."""
        limited(kit, 2, 0.5)
        assert fates(kit, "a", "b", priority=-1) == "+-"
        assert fates(kit, "c", priority=1) == "+"

    def test_one_place_at_least_is_kept_and_one_left(self, kit: Kit) -> None:
        """However small or large the share."""
        limited(kit, 2, 0.01)
        assert fates(kit, "a", "b") == "+-"
        limited(kit, 3, 0.99)
        kit.take()
        assert fates(kit, "c", "d") == "+-"
        assert fates(kit, "e", "f", "g", priority=1) == "++-"

    def test_urgent_ones_take_places_of_all(self, kit: Kit) -> None:
        """What has a priority counts like any other: it does not have to wait for what is kept to be used."""
        limited(kit, 4, 0.5)
        assert fates(kit, "a", "b", "c", priority=1) == "+++"
        assert fates(kit, "d") == "-"
        assert fates(kit, "e", priority=1) == "+"

    def test_many_at_once_of_both_kinds(self, kit: Kit) -> None:
        """Each message of a call by its own priority, in order."""
        limited(kit, 4, 0.5)
        made = [Message(id=ident(name), queue="q", priority=int(name in "bdf")) for name in "abcdefg"]
        receipts = kit.run(kit.backend.publish(made))
        assert "".join("+" if one.fate is Fate.ACCEPTED else "-" for one in receipts) == "++-+-+-"

    def test_what_running_tasks_make_comes_in_as_before(self, kit: Kit) -> None:
        """Work that is done is not refused for its priority: it may be put down, and go over the limit."""
        limited(kit, 4, 0.5)
        assert fates(kit, *"abcdef", headers={PARENT: ident("x")}) == "++++++"
        assert fates(kit, "g") == "-"

    def test_what_is_kept_is_no_reason_to_call_a_queue_full(self, kit: Kit) -> None:
        """A queue is full when nobody has room."""
        limited(kit, 4, 0.5)
        assert fates(kit, "a", "b", "c") == "++-"
        assert kit.depth().full == 0.0
        assert fates(kit, "d", "e", priority=1) == "++"
        assert fates(kit, "f", priority=1) == "-"
        assert kit.depth().full > 0.0

    def test_there_is_room_again_when_enough_have_left(self, kit: Kit) -> None:
        """And no earlier: for the usual ones what is kept stays free."""
        limited(kit, 4, 0.5)
        fates(kit, "a", "b")
        fates(kit, "c", "d", priority=1)
        assert kit.take(2) == ["c", "d"]
        assert fates(kit, "e") == "-"
        kit.take(1)
        assert fates(kit, "f", "g") == "+-"

    def test_it_is_known_as_declared(self, kit: Kit) -> None:
        """Whoever declares it again hears what held; and from then on nothing is kept."""
        limited(kit, 4, 0.5)
        (told,) = kit.run(kit.backend.declare([QueueSpec(name="q", limit=4)]))
        assert (told.before.reserve, told.before.limit, told.now.reserve) == (0.5, 4, None)
        assert fates(kit, *"abcde") == "++++-"
