"""Whether a budget of a provider is used up, and until when. Pure; how meters count it is `flow.grant`'s."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from forebay.flow.grant import grant
from forebay.model.budget import Budget, named
from forebay.model.meter import Meter

#: Seconds from which on it is known to all workers that a budget is used up: what was leased before is paid for.
KNOWN = 2.0


class UsedUp(NamedTuple):
    """The budget that is used up for longest; `until` is 0.0 if none is."""

    until: float = 0.0
    budget: str = ""


def meter_of(beside: str, budget: Budget, *, lifted: bool = False) -> Meter:
    """The meter of a budget; one that is lifted lets all through, and forgets nothing."""
    rate = None if lifted else budget.amount / budget.window
    return Meter(name=named(beside, budget), rate=rate, burst=budget.amount)


def used_up(beside: str, budgets: Sequence[Budget], meters: Mapping[str, Meter], now: float) -> UsedUp:
    """Which of these budgets is used up, by their meters as they are."""
    worst = UsedUp()
    for budget in budgets:
        there = meters.get(named(beside, budget))
        if there is None or not (there.generation or there.tat):
            continue
        answer = grant(
            Meter(name=there.name, rate=budget.amount / budget.window, burst=budget.amount, tat=there.tat), now, 1
        )
        if not answer.n and answer.again is not None and answer.again > worst.until:
            worst = UsedUp(answer.again, str(budget))
    return worst
