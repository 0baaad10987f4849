"""Durations: `timedelta`, seconds, or text like "15s" at the surface; float seconds inside."""

import re
from datetime import timedelta

from forebay.model.errors import ConfigError

#: Seconds, a `timedelta`, or text such as "250ms", "30s", "5m", "2h", "1d".
Duration = float | timedelta | str

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")


def seconds(value: Duration, what: str = "duration") -> float:
    """`value` in seconds.

    Raises:
        ConfigError: it is negative, not a number, or not a duration.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str):
        match = _TEXT.fullmatch(value.strip())
        if match is None:
            raise ConfigError(f"{what} {value!r} is not a duration: write seconds, or a number with ms, s, m, h or d")
        value = float(match[1]) * _UNITS[match[2] or "s"]
    if isinstance(value, bool) or not isinstance(value, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{what} must be seconds, a timedelta or text such as '30s', not {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ConfigError(f"{what} must be a finite number of seconds, 0 or more, not one that large") from None
    if not 0 <= number < float("inf"):
        raise ConfigError(f"{what} must be a finite number of seconds, 0 or more, not {value!r}")
    return number


#: Seconds, 10,000 years, beyond which a duration has no end for people.
EVER = 10_000 * 366 * 86_400.0


def span(seconds: float | None) -> str:
    """A duration: "350ms", "12s", "3m 20s", "5h 2m", "4d 1h"; "-" for none, "ever" for one that no calendar knows."""
    if seconds is None or not -EVER <= seconds <= EVER:
        return "ever" if seconds else "-"
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms" if seconds >= 0.0005 else "0s"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    whole = round(seconds)
    for unit, lower, size, part in (("s", "", 60, 1), ("m", "s", 3600, 60), ("h", "m", 86400, 3600)):
        if whole < size:
            return _two(whole, unit, part, lower)
    return _two(whole, "d", 86400, "h")


def _two(whole: int, unit: str, part: int, lower: str) -> str:
    big, rest = divmod(whole, part)
    small = rest // {"s": 1, "m": 60, "h": 3600}[lower] if lower else 0
    return f"{big}{unit} {small}{lower}" if small else f"{big}{unit}"
