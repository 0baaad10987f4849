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
    if not 0 <= value < float("inf"):
        raise ConfigError(f"{what} must be a finite number of seconds, 0 or more, not {value!r}")
    return float(value)
