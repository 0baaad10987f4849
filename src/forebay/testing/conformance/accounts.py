"""What is promised of keys of a provider: each has the rate, the slots and the budgets that are said of all of them."""

import pytest

from forebay.flow.grant import spent, why
from forebay.model.budget import Budget, named
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Release
from forebay.testing.conformance.budgets import DAY, LLM, to_noon
from forebay.testing.conformance.kit import Kit, names

EACH = f"{LLM}~"
EU, US = f"{LLM}~eu", f"{LLM}~us"
BUDGET = named("", Budget(DAY, 1))


def say(kit: Kit, *meters: Meter) -> None:
    """What holds for each key from now on."""
    kit.needs("meters")
    known = {meter.name: meter.generation for meter in kit.meters(*(meter.name for meter in meters))}
    put = [
        Meter(name=one.name, rate=one.rate, burst=one.burst, slots=one.slots, generation=known.get(one.name, 0))
        for one in meters
    ]
    assert all(kit.run(kit.backend.put_meters(put)))


def budget(amount: float) -> Meter:
    """So much a day for each key."""
    return Meter(name=EACH + BUDGET, rate=amount / DAY, burst=amount)


def ask(kit: Kit, account: str, *called: str, queue: str = "q", cost: float = 1.0) -> None:
    """Messages for an account of provider llm."""
    kit.publish(*called, queue=queue, lane=f"llm~{account}", meters=(LLM, f"{LLM}~{account}"), cost=cost)


def ask_both(kit: Kit, n: int = 3) -> None:
    """As many for one account as for the other."""
    for account in ("eu", "us"):
        ask(kit, account, *(f"{account}{number}" for number in range(n)))


class TestAccounts:
    """One account that is used up holds up itself alone."""

    def test_each_key_has_slots_of_its_own(self, kit: Kit) -> None:
        """Taken and given back by itself."""
        say(kit, Meter(name=LLM), Meter(name=EACH, slots=1))
        ask_both(kit)
        first = {names([one])[0]: one for one in kit.lease()}
        assert sorted(first) == ["eu0", "us0"]
        assert kit.take() == []
        assert kit.settle(Ack(), first["us0"]) == [True]
        assert kit.take() == ["us1"]

    def test_each_key_has_a_rate_of_its_own(self, kit: Kit) -> None:
        """Two at once and one a minute: of each account."""
        say(kit, Meter(name=LLM), Meter(name=EACH, rate=1 / 60, burst=2))
        ask_both(kit, 5)
        assert sorted(kit.take()) == ["eu0", "eu1", "us0", "us1"]
        kit.advance(61)
        assert sorted(kit.take()) == ["eu2", "us2"]

    def test_each_key_has_a_budget_of_its_own(self, kit: Kit) -> None:
        """And all queues share it."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH), budget(3))
        ask_both(kit, 2)
        ask(kit, "eu", *(f"other{number}" for number in range(5)), queue="other")
        taken = kit.take(queues=["q", "other"])
        assert len([one for one in taken if not one.startswith("us")]) == 3
        assert len([one for one in taken if one.startswith("us")]) == 2
        kit.advance(DAY)
        assert len(kit.take(queues=["q", "other"])) == 3

    def test_what_is_the_providers_holds_beside(self, kit: Kit) -> None:
        """All accounts together run three at a time, each of them two."""
        say(kit, Meter(name=LLM, slots=3), Meter(name=EACH, slots=2))
        ask_both(kit, 5)
        assert len(kit.lease()) == 3

    def test_what_waits_and_runs_already_is_counted(self, kit: Kit) -> None:
        """Bounds hold for it from the moment on in which they are said."""
        kit.needs("meters")
        say(kit, Meter(name=LLM))
        ask_both(kit, 3)
        kit.settle(Release(), *(one for one in kit.lease() if names([one]) != ["eu0"]))
        kit.advance(1)
        say(kit, Meter(name=EACH, slots=2))
        assert sorted(name[:2] for name in kit.take()) == ["eu", "us", "us"]

    def test_a_change_forgets_nothing_that_was_spent(self, kit: Kit) -> None:
        """Each account has the difference at once, whatever it has spent."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH), budget(2))
        ask_both(kit, 6)
        assert len(kit.take()) == 4
        say(kit, budget(3))
        assert sorted(kit.take()) == ["eu2", "us2"]
        kit.run(kit.backend.drop_meters([EACH + BUDGET]))
        assert len(kit.take()) == 6

    def test_what_calls_have_really_cost_is_charged_to_their_account(self, kit: Kit) -> None:
        """Also to one that has not been asked yet; the other account has spent nothing by it."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH), budget(100))
        kit.run(kit.backend.charge_meter(EU, 100.0))
        ask_both(kit, 2)
        assert sorted(kit.take()) == ["us0", "us1"]
        now = kit.run(kit.backend.now())
        told = {meter.name: spent(meter, now) for meter in kit.meters(EU + BUDGET, US + BUDGET)}
        assert told == {EU + BUDGET: pytest.approx(100), US + BUDGET: pytest.approx(2)}

    def test_what_has_not_started_gives_it_back(self, kit: Kit) -> None:
        """To its account."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH), budget(2))
        ask(kit, "eu", "a", "b", "c")
        assert kit.settle(Release(), *kit.lease()) == [True, True]
        assert len(kit.take()) == 2

    def test_it_says_why_and_when(self, kit: Kit) -> None:
        """Of a meter that nobody has put by that name."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH), budget(1))
        ask(kit, "eu", "a", "b")
        assert kit.take() == ["a"]
        now = kit.run(kit.backend.now())
        (meter,) = kit.meters(EU + BUDGET)
        assert why(meter, now) == "its budget of 1/day is used up; the next one begins in 12h"
        (lane,) = [one for one in kit.depth().lanes if one.ready]
        assert lane.why == why(meter, now)

    def test_one_whose_work_goes_elsewhere_passes_its_budget_and_forgets_nothing(self, kit: Kit) -> None:
        """Its budget is lifted for it alone, and holds again for what it had spent."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH), budget(2))
        ask_both(kit, 4)
        assert len(kit.take()) == 4
        say(kit, Meter(name=EU + BUDGET, burst=2))
        now = kit.run(kit.backend.now())
        assert [spent(meter, now) for meter in kit.meters(EU + BUDGET)] == [pytest.approx(2)]
        assert kit.take(1) == ["eu2"]
        say(kit, Meter(name=EU + BUDGET, rate=2 / DAY, burst=2))
        assert kit.take() == []
        kit.advance(DAY)
        kit.run(kit.backend.drop_meters([EU + BUDGET]))
        assert sorted(kit.take()) == ["eu3", "us2", "us3"]
        ask(kit, "eu", "more", "last")
        assert kit.take() == ["more"]

    def test_one_that_is_idle_is_forgotten_and_what_it_has_spent_is_not(self, kit: Kit) -> None:
        """So that ten thousand accounts that were used once cost nothing; meters that somebody put stay."""
        to_noon(kit)
        say(kit, Meter(name=LLM), Meter(name=EACH, slots=1), budget(1))
        ask(kit, "eu", "a", "b")
        (first,) = kit.lease()
        kit.tidy()
        assert kit.take() == []
        assert kit.settle(Ack(), first) == [True]
        kit.tidy()
        assert kit.take() == []
        assert [meter.name for meter in kit.run(kit.backend.meters())] == sorted([LLM, EACH, EACH + BUDGET])
        kit.advance(DAY)
        kit.tidy()
        assert kit.take() == ["b"]
