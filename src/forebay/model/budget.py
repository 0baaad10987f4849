"""A budget: how much may be spent in each minute, hour or day. A meter beside another one, whose name says all of it.

`provider:llm/86400` holds for whatever passes `provider:llm`, and counts what that costs; `provider:llm/calls/60`
counts messages. Windows begin at whole multiples of their length since the epoch: a day at midnight, UTC.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

_BEGIN, _CALLS = "provider:", "calls/"
_NAME = re.compile(r"(provider:[^/]+)/(calls/)?([1-9]\d{0,8})", re.ASCII)
_WORDS = {1: "second", 60: "min", 3600: "hour", 86_400: "day"}


class Budget(msgspec.Struct, frozen=True, order=True):
    """How much may be spent in each window.

    Attributes:
        amount: in the unit of `cost=`, or messages. window: seconds. calls: it counts messages, whatever they cost.
    """

    window: int
    amount: float
    calls: bool = False

    def __str__(self) -> str:
        return f"{self.amount:,.10g}{' calls' * self.calls}/{_WORDS.get(self.window, f'{self.window} s')}"


#: One call, whatever it costs, while a provider is probed (`flow.breaker.probe_of`): the next such window is far away.
PROBE = Budget(window=999_999_999, amount=1.0, calls=True)


class Window(NamedTuple):
    """What the name of its meter says: the meter beside which it stands, seconds, and whether it counts messages."""

    beside: str
    seconds: int
    calls: bool


def named(beside: str, budget: Budget) -> str:
    """The name of its meter."""
    return f"{beside}/{_CALLS * budget.calls}{budget.window}"


def window_of(name: str) -> Window | None:
    """The window of the meter of that name; None if it is no budget's."""
    return _window(name) if name.startswith(_BEGIN) else None


@lru_cache(1_000)
def _window(name: str) -> Window | None:
    match = _NAME.fullmatch(name)
    return None if match is None else Window(match[1], int(match[3]), bool(match[2]))


def begun(window: Window, now: float) -> float:
    """When the window began that `now` lies in, seconds since the epoch."""
    return now // window.seconds * window.seconds


def payer(name: str) -> str:
    """The meter beside which a budget stands: whatever passes that passes it too. Any other meter: itself."""
    window = window_of(name)
    return name if window is None else window.beside
