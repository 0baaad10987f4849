"""What `budget=` takes: "2_000_000/day", "500 calls/min", or several of them, which hold at once."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

from forebay.model.budget import Budget
from forebay.model.errors import ConfigError

#: How much may be spent in each minute, hour or day.
BudgetWay = str | Sequence[str]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(
    r"\s*(\d+(?:[_,]\d+)*(?:\.\d+)?)\s*(calls?)?\s*/\s*(?:(s|m|h|d)|(sec|second|min|minute|hour|day))\s*", re.ASCII
)
#: The most of a budget, and of budgets.
_MOST, _MANY = 1e12, 8


def budgets(where: str, value: Any, option: str = "budget") -> tuple[Budget, ...]:
    """Budgets, as they were told, the shortest window first.

    Raises:
        ConfigError: one of them is none, or there are two of a window.
    """
    if value is None:
        return ()
    told: Any = [value] if isinstance(value, str) else value
    if not isinstance(told, list | tuple | set | frozenset) or not told:
        raise ConfigError(f"{where}: {option} {value!r:.100} {_HELP}")
    found = [_budget(f"{where}: {option}", one) for one in cast("Sequence[object]", told)]
    found.sort(key=lambda one: (one.window, one.calls))
    for one, other in pairwise(found):
        if (one.window, one.calls) == (other.window, other.calls):
            raise ConfigError(f"{where}: {option} says {one} and {other}: leave out one of them")
    if len(found) > _MANY:
        raise ConfigError(f"{where}: {len(found)} budgets: at most {_MANY} hold at once")
    return tuple(found)


_HELP = "is no budget: write how much may be spent, such as '2_000_000/day', '500 calls/min', or a list of them"


def _budget(where: str, one: object) -> Budget:
    match = _FORM.fullmatch(one) if isinstance(one, str) else None
    if match is None:
        raise ConfigError(f"{where} {one!r:.100} {_HELP}")
    amount = float(re.sub("[_,]", "", match[1]))
    if not 1 <= amount <= _MOST:
        raise ConfigError(f"{where} {one!r:.100} is from 1 to {_MOST:,.0f} in each window")
    return Budget(_SECONDS[(match[3] or match[4])[0]], amount, match[2] is not None)
