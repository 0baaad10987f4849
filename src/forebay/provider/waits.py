"""From the headers of an answer to the seconds that a provider wants to be left alone. Pure: `now` is an argument.

Reads `Retry-After` (RFC 9110, 10.2.3), the milliseconds some send beside it, and the headers that tell of rate limits.
What makes no sense is passed over, and no wait is longer than a day: asking again once a day costs nobody anything,
and a provider's slip of a digit must not shut it for a year.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Seconds; the longest wait that is believed.
LONGEST = 86_400.0

#: openai, anthropic and Azure; Cosmos DB; AWS; gRPC. Milliseconds, and more exact than what stands beside them.
_IN_MS = ("retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after", "grpc-retry-pushback-ms")
_RETRY = ("retry-after", "x-ratelimit-retry-after", "x-rate-limit-retry-after")
_RESET = re.compile(r"rate-?limit\b.*\breset\b")
_FIELD = re.compile(r"(?:^|[;,]\s*)(?:t|reset)\s*=\s*(\d{1,12})", re.ASCII)  # of `RateLimit`, drafts from 07 on

_NUMBER = re.compile(r"\d{1,40}(?:\.\d{1,20})?", re.ASCII)
_SEVERAL = re.compile(r"\d{1,15}(?:\.\d{1,9})?(?:, \d{1,15}(?:\.\d{1,9})?)+", re.ASCII)
_SPAN = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|us|µs|ns|[dhms]))+", re.ASCII)
_PART = re.compile(r"([\d.]+)([a-zµ]+)", re.ASCII)
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
#: A number from here on is a point in time: seconds since the epoch (since 2001), or finer units of them.
_EPOCH = 1e9
_FINER = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def wait_of(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the provider may be called again; None if the headers do not say.

    A wait that it asks for outright comes before one that follows from its rate limits.

    Args:
        headers: names in lower case.
        now: seconds since the epoch; what dates and points in time are compared with.
    """
    for name in _IN_MS:
        value = headers.get(name, "")
        if _NUMBER.fullmatch(value):
            return _bounded(float(value) / 1000)
    for name in _RETRY:
        found = _wait(headers.get(name, ""), now)
        if found is not None:
            return found
    return _reset(headers, now)


def limit_is_spent(headers: Mapping[str, str]) -> bool:
    """Whether they ask for a wait, or tell of a rate limit of which nothing is left: then a 403 is one, too."""
    remaining = (value for name, value in headers.items() if _RESET.search(name.replace("remaining", "reset")))
    return any(name in headers for name in (*_IN_MS, *_RETRY)) or "0" in remaining


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """Of several limits the one of which least is left decides; of those the one that takes longest."""
    found: list[tuple[float, float]] = []
    for name, value in headers.items():
        if _RESET.search(name) and (wait := _reset_wait(name, value, now)) is not None:
            found.append((-_left(headers, name), wait))
    found += [(-1.0, _bounded(float(match[1]))) for match in _FIELD.finditer(headers.get("ratelimit", ""))]
    return max(found)[1] if found else None


def _reset_wait(name: str, value: str, now: float) -> float | None:
    """One limit's wait. No window is said in more seconds than a day has: such a number is in milliseconds."""
    if _NUMBER.fullmatch(value) and (name.endswith("-ms") or LONGEST < float(value) < _EPOCH):
        return _bounded(float(value) / 1000)
    return _wait(value, now)


def _left(headers: Mapping[str, str], reset: str) -> float:
    """The share of a limit that is left, 0 to 1; 1 if its headers do not say."""
    remaining = headers.get(reset.replace("reset", "remaining"), "")
    limit = headers.get(reset.replace("reset", "limit"), "")
    if not _NUMBER.fullmatch(remaining):
        return 1.0
    if float(remaining) == 0:
        return 0.0
    whole = float(limit) if _NUMBER.fullmatch(limit) else 0.0
    return min(1.0, float(remaining) / whole) if whole else 1.0


def _wait(value: str, now: float) -> float | None:
    """A number of seconds, a span such as "6m0s", a point in time, or a date; None if it is none of them.

    A header that came twice, from a service and from the proxy before it, is given as one, "30, 60": the longer counts.
    """
    if _SEVERAL.fullmatch(value):
        return max(_wait(one, now) or 0.0 for one in value.split(", "))
    if _NUMBER.fullmatch(value):
        number = float(value)
        return _bounded(number if number < _EPOCH else _seconds(number) - now)
    if _SPAN.fullmatch(value):
        return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value)))
    when = _date(value)
    return None if when is None else _bounded(when - now)


def _seconds(epoch: float) -> float:
    return next((epoch / parts for least, parts in _FINER if epoch >= least), epoch)


def _date(value: str) -> float | None:
    """An RFC 3339 date or one of HTTP's, as seconds since the epoch; without a time zone it is UTC."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(value)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _bounded(wait: float) -> float:
    return min(max(0.0, wait), LONGEST)
