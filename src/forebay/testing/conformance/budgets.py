"""What budgets promise: so much is spent in each minute, hour or day, by whoever; nothing starts until the next one."""

import pytest

from forebay.flow.grant import spent, why
from forebay.model.budget import Budget, named
from forebay.model.meter import Meter
from forebay.model.outcome import Release, Settlement
from forebay.testing.conformance.kit import Kit, names

LLM = "provider:llm"
MINUTE, DAY = 60, 86_400
TEN = [f"m{number}" for number in range(10)]


def give(kit: Kit, amount: float, window: int = DAY, *, calls: bool = False, generation: int = 0) -> str:
    """Provider llm has this budget from now on; the name of its meter."""
    kit.needs("meters")
    name = named(LLM, Budget(window, amount, calls))
    meters = [Meter(name=name, rate=amount / window, burst=amount, generation=generation)]
    if not generation and not kit.meters(LLM):
        meters.insert(0, Meter(name=LLM))
    assert all(kit.run(kit.backend.put_meters(meters)))
    return name


def ask(kit: Kit, *called: str, queue: str = "q", cost: float = 1.0) -> None:
    """Messages that pass the meter of provider llm."""
    kit.publish(*called, queue=queue, lane="llm", meters=(LLM,), cost=cost)


def to_noon(kit: Kit, window: int = DAY) -> None:
    """The middle of a window."""
    kit.advance(window - kit.run(kit.backend.now()) % window + window / 2)


class TestBudgets:
    """Several hold at once, of all queues and workers."""

    def test_so_many_start_and_then_none_until_the_next_window(self, kit: Kit) -> None:
        """However long before its end it is used up."""
        to_noon(kit)
        ask(kit, *TEN)
        give(kit, 3)
        assert len(kit.take(2)) == 2
        assert len(kit.take()) == 1
        kit.advance(DAY / 2 - 60)
        assert kit.take() == []
        kit.advance(120)
        assert len(kit.take()) == 3

    def test_nothing_is_saved_up(self, kit: Kit) -> None:
        """What was not spent on a day is not there on the next."""
        give(kit, 3)
        to_noon(kit)
        kit.advance(2 * DAY)
        ask(kit, *TEN)
        assert len(kit.take()) == 3

    def test_costs_are_counted_or_messages(self, kit: Kit) -> None:
        """The budget of calls is there whatever they cost."""
        to_noon(kit)
        give(kit, 10_000)
        give(kit, 4, MINUTE, calls=True)
        ask(kit, *TEN, cost=2_000)
        assert len(kit.take()) == 4
        kit.advance(MINUTE)
        assert len(kit.take()) == 1
        kit.advance(MINUTE)
        assert kit.take() == []

    def test_what_goes_over_is_taken_from_the_next(self, kit: Kit) -> None:
        """A message dearer than what is left goes, since something is left; later ones pay for it."""
        to_noon(kit, MINUTE)
        give(kit, 10, MINUTE)
        ask(kit, "a", "b", "c", cost=15)
        assert kit.take() == ["a"]
        kit.advance(MINUTE)
        assert kit.take() == ["b"]
        kit.advance(MINUTE)
        assert kit.take() == []
        kit.advance(MINUTE)
        assert kit.take() == ["c"]

    def test_all_queues_share_it(self, kit: Kit) -> None:
        """And what passes another meter goes on."""
        to_noon(kit)
        give(kit, 3)
        ask(kit, "a", "b")
        ask(kit, "c", "d", queue="other")
        kit.publish("free", queue="other")
        taken = kit.take(queues=["q", "other"])
        assert len(taken) == 4
        assert "free" in taken

    def test_a_change_forgets_nothing_that_was_spent(self, kit: Kit) -> None:
        """What waits has the difference at once."""
        to_noon(kit)
        name = give(kit, 3)
        ask(kit, *TEN)
        assert len(kit.take()) == 3
        give(kit, 5, generation=kit.meters(name)[0].generation)
        assert len(kit.take()) == 2
        kit.run(kit.backend.drop_meters([name]))
        assert len(kit.take()) == 5

    def test_one_that_is_lifted_is_charged_nothing_meanwhile(self, kit: Kit) -> None:
        """What had been spent still is."""
        to_noon(kit)
        name = give(kit, 3)
        ask(kit, *TEN)
        assert len(kit.take(2)) == 2
        lifted = Meter(name=name, burst=3, generation=kit.meters(name)[0].generation)
        assert kit.run(kit.backend.put_meters([lifted])) == [True]
        assert len(kit.take(4)) == 4
        give(kit, 3, generation=kit.meters(name)[0].generation)
        assert len(kit.take()) == 1

    def test_what_has_not_started_gives_it_back(self, kit: Kit) -> None:
        """No attempt is burnt, and nothing of the budget either."""
        to_noon(kit)
        name = give(kit, 3)
        ask(kit, *TEN)
        deliveries = kit.lease()
        unspent = [Settlement(one, Release()) for one in deliveries[:2]]
        assert kit.run(kit.backend.settle("w", unspent)) == [True, True]
        assert len(kit.take()) == 2
        assert spent(kit.meters(name)[0], kit.run(kit.backend.now())) == pytest.approx(3)

    def test_what_it_has_really_cost_corrects_it(self, kit: Kit) -> None:
        """More, or less; a budget of calls counts calls."""
        to_noon(kit)
        name, calls = give(kit, 100), give(kit, 50, calls=True)
        ask(kit, *TEN, cost=50)
        assert len(kit.take()) == 2
        kit.run(kit.backend.charge_meter(LLM, -30.0))
        assert len(kit.take()) == 1
        kit.run(kit.backend.charge_meter(LLM, 10.0))
        kit.run(kit.backend.charge_meter(LLM, 0.0, 2))
        now = kit.run(kit.backend.now())
        assert spent(kit.meters(name)[0], now) == pytest.approx(130)
        assert spent(kit.meters(calls)[0], now) == pytest.approx(5)

    def test_one_of_several_is_corrected_by_its_own_name(self, kit: Kit) -> None:
        """And the others stay as they are; what was given back can be had at once."""
        to_noon(kit)
        name, calls = give(kit, 100), give(kit, 1, calls=True)
        ask(kit, *TEN)
        assert len(kit.take()) == 1
        kit.run(kit.backend.charge_meter(calls, -1.0, -1))
        assert len(kit.take()) == 1
        assert spent(kit.meters(name)[0], kit.run(kit.backend.now())) == pytest.approx(2)

    def test_it_says_when_there_is_more(self, kit: Kit) -> None:
        """In words, and in what its lane says."""
        to_noon(kit)
        name = give(kit, 1)
        ask(kit, "a", "b")
        assert names(kit.lease()) == ["a"]
        now = kit.run(kit.backend.now())
        (meter,) = kit.meters(name)
        assert why(meter, now) == "its budget of 1/day is used up; the next one begins in 12h"
        (lane,) = [one for one in kit.depth().lanes if one.ready]
        assert lane.why == why(meter, now)
        assert lane.go == pytest.approx(now + DAY / 2, abs=1)

    def test_tidying_keeps_what_was_spent(self, kit: Kit) -> None:
        """Of a budget of which little is."""
        to_noon(kit)
        name = give(kit, 100)
        ask(kit, "a")
        assert kit.take() == ["a"]
        kit.tidy()
        assert spent(kit.meters(name)[0], kit.run(kit.backend.now())) == pytest.approx(1)
