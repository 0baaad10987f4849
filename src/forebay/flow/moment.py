"""Moments: an aware `datetime` or seconds since the epoch at the surface; float seconds since the epoch inside."""

import sys
from datetime import datetime

from forebay.model.errors import ConfigError

#: The largest that a float holds.
_MOST = sys.float_info.max


def moment(value: datetime | float, what: str) -> float:
    """`value` in seconds since the epoch.

    Raises:
        ConfigError: it has no time zone, or is no time.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigError(
                f"{what} needs a time zone: datetime.now(UTC) + timedelta(...), or seconds since the epoch"
            )
        return value.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{what} must be seconds since the epoch or an aware datetime, not {value!r:.100}")
    return float(value)
