"""Keys of a provider that are used up for long: when their work goes elsewhere, and when it does no more."""

from dataclasses import dataclass, field

import pytest

from forebay.flow.breaker import advance
from forebay.flow.spent import MOST, asked, lifted, meters, spent, told, waiting
from forebay.model.budget import Budget, named
from forebay.model.meter import Meter
from forebay.model.provider import Call, Provider, Terms, keyed, meter_of

HOUR, DAY = Budget(3600, 10), Budget(86_400, 100)
NOON = 86_400.0 * 20_000 + 43_200
LLM = Provider(name="llm", terms=Terms(fallback_after=60.0, key_budgets=(HOUR, DAY)))


@dataclass
class Meters:
    """Budgets of keys: of how many each has spent so much of which."""

    there: dict[str, Meter] = field(default_factory=dict[str, Meter])

    def spend(self, key: str, budget: Budget, part: float, *, own: bool = False, rate: bool = True) -> None:
        """That part of it is spent in the present window."""
        name = named(keyed(meter_of("llm"), key), budget)
        begun = NOON // budget.window * budget.window
        self.there[name] = Meter(
            name=name, rate=budget.amount / budget.window if rate else None, burst=budget.amount,
            generation=int(own), tat=begun + part * budget.window,
        )  # fmt: skip


def test_the_keys_that_something_waits_for_are_those_of_its_lanes():
    lanes = ["llm~eu|meter:provider:llm|meter:provider:llm~eu", "llm|meter:provider:llm", "x~us|meter:provider:x~us"]
    assert waiting("llm", lanes) == ["eu"]
    assert meters("llm", [DAY], ["eu", "us"]) == ["provider:llm~eu/86400", "provider:llm~us/86400"]


def test_one_that_is_used_up_for_long_goes_elsewhere_once_all_workers_know():
    found = Meters()
    found.spend("eu", DAY, 1.0)
    found.spend("us", DAY, 0.5)
    one = spent(LLM, ["eu", "us"], found.there, {}, NOON, diverts=True)
    assert [(entry.key, entry.until - NOON, entry.diverted) for entry in one.keys] == [("eu", 43_200.0, False)]
    one = spent(one, ["eu", "us"], found.there, {}, NOON + 2, diverts=True)
    assert [entry.diverted for entry in one.keys] == [True]
    assert told(one, one.keys[0], NOON + 2).startswith(
        "key eu of provider llm has used up its budget of 100/day; the next one begins in"
    )


def test_one_that_is_used_up_for_a_while_is_waited_for():
    found, late = Meters(), NOON + 3600 - 50
    found.spend("eu", HOUR, 1.0)
    assert spent(LLM, ["eu"], found.there, {}, late, diverts=True).keys == ()


def test_only_a_budget_that_is_used_up_is_lifted_and_it_holds_again_at_once_where_there_is_no_fallback():
    found = Meters()
    found.spend("eu", DAY, 1.0)
    found.spend("eu", HOUR, 0.5)
    one = spent(
        spent(LLM, ["eu"], found.there, {}, NOON, diverts=True), ["eu"], found.there, {}, NOON + 2, diverts=True
    )
    ((put, there),) = lifted(one, "eu", found.there, NOON + 2)
    assert put is not None
    assert (put.name, put.rate, put.burst) == ("provider:llm~eu/86400", None, 100)
    found.spend("eu", DAY, 1.0, own=True, rate=False)
    one = spent(one, ["eu"], found.there, {}, NOON + 4, diverts=False)
    ((put, there),) = lifted(one, "eu", found.there, NOON + 4)
    assert put is not None
    assert put.rate == pytest.approx(100 / 86_400)
    assert there.rate is None


def test_in_the_next_window_its_own_meter_goes_and_then_it_is_forgotten():
    found, next_day = Meters(), NOON + 43_201
    found.spend("eu", DAY, 1.0)
    one = spent(spent(LLM, ["eu"], found.there, {}, NOON, diverts=True), [], found.there, {}, NOON + 2, diverts=True)
    found.spend("eu", DAY, 1.0, own=True, rate=False)
    one = spent(one, ["eu"], found.there, {}, next_day, diverts=True)
    assert one.spent_key("llm~eu", next_day) is None
    assert [put for put, _ in lifted(one, "eu", found.there, next_day)] == [None]
    found.there.clear()
    assert spent(one, ["eu"], found.there, {}, next_day, diverts=True).keys == ()


def test_there_are_only_so_many_at_a_time_and_those_that_are_there_stay():
    found = Meters()
    keys = [f"k{number:03}" for number in range(MOST + 20)]
    for key in keys:
        found.spend(key, DAY, 1.0)
    one = spent(LLM, keys[20:], found.there, {}, NOON, diverts=True)
    after = spent(one, keys, found.there, {}, NOON + 1, diverts=True)
    assert [entry.key for entry in after.keys] == keys[20:]


def test_one_that_is_told_to_wait_for_long_goes_elsewhere_as_one_whose_budget_is_used_up():
    """What it was told holds until then, whatever comes later; another one of the same provider is asked as ever."""
    calls = [
        Call(NOON, None, until=NOON + 3600, reason="HTTP 429", key="eu"), Call(NOON, True),
        Call(NOON, None, until=NOON + 10, reason="HTTP 429", key="us"),
    ]  # fmt: skip
    one = spent(LLM, [], {}, asked(calls), NOON, diverts=True)
    assert [(entry.key, entry.until - NOON, entry.diverted) for entry in one.keys] == [("eu", 3600, False)]
    sooner = asked([Call(NOON, None, until=NOON + 60, key="eu")])
    one = spent(one, [], {}, sooner, NOON + 2, diverts=True)
    assert [(entry.until - NOON, entry.diverted) for entry in one.keys] == [(3600, True)]
    text = "key eu of provider llm was told to wait, for another 1h: HTTP 429; the fallback of its provider runs"
    assert told(one, one.keys[0], NOON).startswith(text)
    assert not spent(one, [], {}, {}, NOON + 3, diverts=False).keys[0].diverted
    assert spent(one, [], {}, {}, NOON + 3601, diverts=True).keys == ()


def test_the_later_of_two_reasons_to_wait_is_the_one_that_is_said():
    found = Meters()
    found.spend("eu", DAY, 1.0)
    short, long = (asked([Call(NOON, None, until=NOON + wait, key="eu")]) for wait in (3600, 90_000))
    one = spent(LLM, ["eu"], found.there, short, NOON, diverts=True)
    assert "has used up its budget of 100/day" in told(one, one.keys[0], NOON)
    one = spent(one, ["eu"], found.there, long, NOON + 1, diverts=True)
    assert "was told to wait" in told(one, one.keys[0], NOON + 1)


def test_what_a_key_was_told_says_nothing_of_its_provider():
    one = advance(LLM, [Call(NOON, None, until=NOON + 3600, key="eu")], NOON, 0.5, 0)
    assert not one.shut(NOON)
