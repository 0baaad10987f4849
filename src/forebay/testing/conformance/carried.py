"""What publishing with history promises: what a message has been through elsewhere counts as if it had been here."""

import math
from typing import Any

import pytest

from forebay.engine.contract import Fate, Receipt
from forebay.model.errors import ConfigError
from forebay.model.message import Carried
from forebay.model.outcome import Ack, Retry
from forebay.testing.conformance.kit import BOOM, Kit, ident


class TestCarried:
    def test_its_history_is_kept(self, kit: Kit) -> None:
        """Attempts, losses, the newest failure, and when it was first accepted."""
        created = kit.now() - 500
        kit.publish("a", carried=Carried(attempt=3, lost=1, created=created, failure=BOOM))
        found = kit.found("a")
        assert (found.attempt, found.lost, found.created, found.failure) == (3, 1, created, BOOM)
        (delivery,) = kit.lease()
        assert (delivery.attempt, delivery.lost, delivery.created) == (4, 1, created)
        kit.settle(Ack(), delivery)
        found = kit.found("a")
        assert (found.state, found.attempt, found.lost, found.created) == ("done", 4, 1, created)
        assert kit.depth().published == 1

    def test_its_attempts_go_on_counting(self, kit: Kit) -> None:
        """A retry here is one more."""
        kit.publish("a", carried=Carried(attempt=3))
        kit.settle(Retry(0, BOOM), *kit.lease())
        (delivery,) = kit.lease()
        assert delivery.attempt == 5

    def test_the_workers_that_it_cost_elsewhere_count(self, kit: Kit) -> None:
        """A killer that is moved stays one."""
        kit.publish("a", carried=Carried(attempt=2, lost=2))
        kit.lease(worker="dead")
        assert kit.recover("dead").quarantined == 1
        assert (kit.state("a"), kit.found("a").lost) == ("dead", 3)

    def test_its_time_to_live_began_when_it_was_first_accepted(self, kit: Kit) -> None:
        """Moving makes nothing younger."""
        carried = Carried(created=kit.now() - 50)
        kit.publish("late", carried=carried, ttl=40)
        kit.publish("a", carried=carried, ttl=60)
        assert (kit.found("a").expires, kit.take()) == (kit.now() + 10, ["a"])
        kit.tidy()
        assert kit.state("late") == "expired"

    def test_its_delay_begins_here(self, kit: Kit) -> None:
        """It says how long from now on it has to wait."""
        kit.needs("delays")
        kit.publish("a", carried=Carried(created=kit.now() - 50, attempt=1), delay=5)
        assert (kit.found("a").due, kit.take()) == (kit.now() + 5, [])
        kit.advance(5)
        assert kit.take() == ["a"]

    def test_it_is_as_old_as_it_is_and_stands_at_the_end_of_the_line(self, kit: Kit) -> None:
        """The age of a queue counts from the first acceptance, its order from the one here."""
        kit.publish("first")
        kit.advance(1)
        kit.publish("a", carried=Carried(created=kit.now() - 500))
        kit.publish("last")
        assert kit.depth().age == pytest.approx(500)
        assert kit.take() == ["first", "a", "last"]

    def test_a_time_that_is_still_to_come_is_now(self, kit: Kit) -> None:
        """The clock of where it came from may be ahead."""
        kit.publish("a", carried=Carried(created=kit.now() + 500))
        assert (kit.found("a").created, kit.depth().age, kit.take()) == (kit.now(), 0.0, ["a"])

    def test_many_at_once_have_each_their_own(self, kit: Kit) -> None:
        """Alike or not, beside others that begin here."""
        twice = Carried(attempt=2, failure=BOOM)
        kit.publish("a", "b", carried=twice)
        kit.publish("c")
        kit.publish("d", carried=Carried(lost=1))
        assert [(kit.found(name).attempt, kit.found(name).lost) for name in "abcd"] == [(2, 0), (2, 0), (0, 0), (0, 1)]
        assert kit.take() == ["a", "b", "c", "d"]

    def test_a_known_id_stays_as_it_is(self, kit: Kit) -> None:
        """A copy that comes twice changes nothing."""
        kit.publish("a", carried=Carried(attempt=2))
        assert kit.publish("a", carried=Carried(attempt=5)) == [Receipt(ident("a"), Fate.DUPLICATE)]
        assert kit.found("a").attempt == 2

    @pytest.mark.parametrize(
        "history",
        [{"attempt": -1}, {"attempt": 1.5}, {"attempt": True}, {"attempt": 2**31}, {"lost": -1}, {"lost": "1"}]
        + [{"created": value} for value in (math.nan, math.inf, -1.0, "now")]
        + [{"failure": "boom"}],
    )
    def test_nothing_can_have_been_through_nonsense(self, history: dict[str, Any]) -> None:
        """It is refused where it is made."""
        with pytest.raises(ConfigError, match="carried: "):
            Carried(**history)


class TestTook:
    def test_the_run_time_of_settled_attempts_adds_up(self, kit: Kit) -> None:
        """Whatever became of them; per queue."""
        kit.publish("a", "b", "c")
        kit.publish("d", queue="other")
        a, b, c = kit.lease()
        (d,) = kit.lease(queues=("other",))
        kit.settle(Ack(), a, b, took=1.5)
        kit.settle(Retry(0, BOOM), c, took=0.25)
        kit.settle(Ack(), d, took=2.0)
        assert (kit.depth().seconds, kit.depth("other").seconds) == pytest.approx((3.25, 2.0))

    def test_an_outcome_that_is_refused_adds_nothing(self, kit: Kit) -> None:
        """Nor does one that took no time that there is."""
        kit.publish("a", "b")
        a, b = kit.lease()
        kit.settle(Ack(), a, took=1.0)
        assert kit.settle(Ack(), a, took=1.0) == [False]
        assert kit.settle(Ack(), b, took=-3.0) == [True]
        assert kit.depth().seconds == pytest.approx(1.0)
