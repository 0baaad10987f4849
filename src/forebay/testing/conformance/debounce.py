"""What debouncing promises: the last arguments win, once it is quiet, and none is lost meanwhile."""

from typing import Any

import pytest

from forebay.engine.contract import MERGED_FOR, Fate, Receipt
from forebay.model.outcome import Ack, Lose, Park, Release, Retry, Snooze
from forebay.testing.conformance.kit import BOOM, Kit, ident


def say(kit: Kit, name: str, **fields: Any) -> Receipt:
    """Publish one message about document 9, with its name as its body."""
    form: dict[str, Any] = {"unique": "doc:9", "debounce": 5, "body": name.encode(), "task": "index", **fields}
    return kit.publish(name, **form)[0]


class TestDebounce:
    @pytest.fixture(autouse=True)
    def _unique(self, kit: Kit) -> None:
        kit.needs("unique")
        kit.needs("delays")

    def test_the_last_arguments_win_once_it_is_quiet(self, kit: Kit) -> None:
        """Each new one takes the place of the one that waits, and begins the quiet anew."""
        assert say(kit, "a", headers={"n": "1"}) == Receipt(ident("a"))
        for name in ("b", "c"):
            kit.advance(4)
            assert say(kit, name, headers={"n": name}) == Receipt(ident("a"), Fate.MERGED)
        kit.advance(4.5)
        assert kit.take() == []
        kit.advance(0.5)
        (delivery,) = kit.lease()
        assert (delivery.id, delivery.body, delivery.headers, delivery.attempt) == (ident("a"), b"c", {"n": "c"}, 1)
        assert (kit.depth().published, kit.depth().running) == (1, 1)
        assert kit.find("b") is None

    def test_it_never_waits_longer_than_it_says(self, kit: Kit) -> None:
        """However often somebody speaks, `max_wait` after the first it is due."""
        say(kit, "a", max_wait=12)
        for _ in range(3):
            kit.advance(4)
            say(kit, "b", max_wait=12)
        assert kit.take() == ["a"]

    def test_one_that_is_ready_is_late_but_not_too_late(self, kit: Kit) -> None:
        """What nobody has taken yet still gets the newest arguments."""
        say(kit, "a")
        kit.advance(6)
        assert kit.depth().ready == 1
        assert say(kit, "b").fate is Fate.MERGED
        assert (kit.depth().ready, kit.depth().scheduled) == (0, 1)
        kit.advance(5)
        (delivery,) = kit.lease()
        assert delivery.body == b"b"

    def test_beside_one_that_runs_another_waits(self, kit: Kit) -> None:
        """What runs has older arguments already, so the newer ones wait for a run of their own, one for all of them."""
        say(kit, "a")
        kit.advance(5)
        (old,) = kit.lease()
        assert say(kit, "b") == Receipt(ident("b"))
        assert say(kit, "c") == Receipt(ident("b"), Fate.MERGED)
        kit.settle(Ack(), old)
        kit.advance(5)
        (new,) = kit.lease()
        assert (new.id, new.body) == (ident("b"), b"c")

    def test_what_was_tried_before_does_not_count_for_newer_arguments(self, kit: Kit) -> None:
        """They get attempts, losses and a waiting time of their own."""
        say(kit, "a", max_wait=60)
        kit.advance(5)
        kit.settle(Retry(100, BOOM), *kit.lease())
        kit.advance(90)
        say(kit, "b", max_wait=60)
        found = kit.found("a")
        assert (found.attempt, found.failure, found.due) == (0, None, kit.now() + 5)

    def test_parked_it_stays_parked(self, kit: Kit) -> None:
        """Newer arguments open no gate."""
        kit.close_gate(lane="smtp", reason="down")
        say(kit, "a")
        kit.advance(5)
        kit.settle(Park("smtp", "down"), *kit.lease())
        assert say(kit, "b").fate is Fate.MERGED
        assert (kit.found("a").state, kit.found("a").cause) == ("parked", "down")
        kit.open_gate(lane="smtp")
        (delivery,) = kit.lease()
        assert delivery.body == b"b"

    def test_another_task_or_queue_is_not_merged(self, kit: Kit) -> None:
        """Whoever holds the key for something else makes it a duplicate, as without debounce."""
        say(kit, "a")
        assert say(kit, "b", task="mail") == Receipt(ident("a"), Fate.DUPLICATE)
        assert say(kit, "c", queue="other") == Receipt(ident("a"), Fate.DUPLICATE)
        assert kit.found("a").body == b"a"

    def test_without_debounce_the_first_keeps_its_place(self, kit: Kit) -> None:
        """One that only asks to be unique is a duplicate of what waits or runs."""
        say(kit, "a")
        assert say(kit, "b", debounce=0) == Receipt(ident("a"), Fate.DUPLICATE)
        kit.advance(5)
        (running,) = kit.lease()
        assert say(kit, "c", debounce=0) == Receipt(ident("a"), Fate.DUPLICATE)
        kit.settle(Ack(), running)
        assert say(kit, "d", debounce=0) == Receipt(ident("d"))

    def test_a_publish_that_is_tried_again_is_a_duplicate_of_itself(self, kit: Kit) -> None:
        """As of every message."""
        say(kit, "a")
        assert say(kit, "a") == Receipt(ident("a"), Fate.DUPLICATE)

    def test_a_merge_that_is_tried_again_changes_nothing(self, kit: Kit) -> None:
        """Who did not hear the answer asks again: newer arguments stay, the quiet goes on, the answer is the same."""
        say(kit, "a")
        first = say(kit, "b")
        say(kit, "c")
        kit.advance(4)
        assert say(kit, "b") == first == Receipt(ident("a"), Fate.MERGED)
        kit.advance(1)
        (delivery,) = kit.lease()
        assert delivery.body == b"c"
        assert say(kit, "b") == first
        kit.settle(Ack(), delivery)
        assert say(kit, "b") == first
        kit.advance(5)
        assert kit.take() == []

    def test_a_merge_is_forgotten_after_a_while(self, kit: Kit) -> None:
        """What is kept to know it again has a bound."""
        say(kit, "a")
        say(kit, "b")
        kit.advance(MERGED_FOR + 1)
        kit.tidy()
        assert kit.take() == ["a"]
        assert say(kit, "b") == Receipt(ident("b"))

    def test_the_newest_time_to_live_counts(self, kit: Kit) -> None:
        """It says how long these arguments are worth a run."""
        say(kit, "a", ttl=8)
        kit.advance(4)
        say(kit, "b", ttl=8)
        kit.advance(5)
        assert kit.take() == ["a"]


class TestOvertaken:
    """Two of one key that run at a time: the older arguments do not come last."""

    @pytest.fixture(autouse=True)
    def _unique(self, kit: Kit) -> None:
        kit.needs("unique")
        kit.needs("delays")

    @pytest.mark.parametrize("outcome", [Retry(1, BOOM), Snooze(1), Release(), Release(1), Lose("killed"), Park("x")])
    def test_older_arguments_never_come_after_newer_ones(self, kit: Kit, outcome: Any) -> None:
        """One that would run again, and is overtaken by another that waits, ends instead, and says by whom."""
        say(kit, "a")
        kit.advance(5)
        (old,) = kit.lease()
        say(kit, "b")
        kit.settle(outcome, old)
        found = kit.found("a")
        assert (found.state, ident("b") in found.cause) == ("discarded", True)
        kit.advance(5)
        assert kit.take() == ["b"]

    @pytest.mark.parametrize("outcome", [Retry(1, BOOM), Snooze(1), Release(), Lose("killed"), Park("x")])
    @pytest.mark.parametrize("ended", ["done", "cancelled", "waits"])
    def test_what_was_merged_once_and_is_published_again_stands_for_itself(
        self, kit: Kit, outcome: Any, ended: str
    ) -> None:
        """Its id is free again for who does not debounce; what it had been merged into has nothing to do with it."""
        say(kit, "a")
        assert say(kit, "b").fate is Fate.MERGED
        if ended == "done":
            kit.advance(5)
            kit.settle(Ack(), *kit.lease())
        elif ended == "cancelled":
            kit.run(kit.backend.cancel([ident("a")]))
        assert say(kit, "b", unique="doc:10", debounce=0, delay=0).fate is Fate.ACCEPTED
        (delivery,) = kit.lease()
        kit.settle(outcome, delivery)
        assert kit.found("b").state != "discarded"

    @pytest.mark.parametrize("outcome", [Retry(1, BOOM), Snooze(1), Release(), Lose("killed")])
    @pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
    @pytest.mark.parametrize("first", ["older", "newer"])
    def test_newer_arguments_are_not_lost_to_older_ones_that_come_back_too(
        self, kit: Kit, outcome: Any, together: bool, first: str
    ) -> None:
        """Two that ran at a time and fail both: what has the newest arguments runs again."""
        say(kit, "a")
        kit.advance(5)
        (old,) = kit.lease()
        say(kit, "b")
        kit.advance(5)
        (new,) = kit.lease()
        both = (old, new) if first == "older" else (new, old)
        for some in [both] if together else [both[:1], both[1:]]:
            kit.settle(outcome, *some)
        kit.advance(2)
        assert "b" in kit.take(10)
        assert kit.state("a") == "discarded"

    @pytest.mark.parametrize("outcome", [Retry(1, BOOM), Snooze(1), Release(), Lose("killed")])
    def test_beside_newer_arguments_that_run_older_ones_do_not_run_again(self, kit: Kit, outcome: Any) -> None:
        """They would come last, and win."""
        say(kit, "a")
        kit.advance(5)
        (old,) = kit.lease()
        say(kit, "b")
        kit.advance(5)
        (new,) = kit.lease()
        kit.settle(outcome, old)
        found = kit.found("a")
        assert (found.state, ident("b") in found.cause) == ("discarded", True)
        kit.settle(Ack(), new)
        kit.advance(5)
        assert kit.take() == []

    @pytest.mark.parametrize("outcome", [Retry(1, BOOM), Snooze(1), Release(), Lose("killed")])
    def test_after_newer_arguments_older_ones_do_not_run_again(self, kit: Kit, outcome: Any) -> None:
        """The newer one is done before the older one fails."""
        say(kit, "a")
        kit.advance(5)
        (old,) = kit.lease()
        say(kit, "b")
        kit.advance(5)
        kit.settle(Ack(), *kit.lease())
        kit.settle(outcome, old)
        found = kit.found("a")
        assert (found.state, ident("b") in found.cause) == ("discarded", True)

    def test_after_newer_arguments_that_were_cancelled_older_ones_do_run_again(self, kit: Kit) -> None:
        """Nothing has come after them; and what is merged into them then is the newest, and stays."""
        say(kit, "a")
        kit.advance(5)
        (old,) = kit.lease()
        say(kit, "b")
        kit.cancel("b")
        kit.settle(Retry(1, BOOM), old)
        assert kit.state("a") == "scheduled"
        assert say(kit, "c") == Receipt(ident("a"), Fate.MERGED)
        kit.advance(5)
        (new,) = kit.lease()
        assert new.body == b"c"
        kit.settle(Retry(1, BOOM), new)
        assert kit.state("a") == "scheduled"
