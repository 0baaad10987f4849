"""What the answer of a provider means: an HTTP status with its headers, a code word, gRPC, SMTP.

Knows clients by the shape of their exceptions only. Whatever is no answer gives None.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from forebay.model.verdict import Kind, Verdict
from forebay.provider.shapes import call, headers_of, item, listed, names, peek, text
from forebay.provider.waits import limit_is_spent, wait_of

#: Codes by which AWS says that it throttles: `ThrottledRetryableChecker` of botocore.
_AWS_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
#: Those of openai and anthropic, which also come in the middle of a stream that began with 200; and Google's, with 403.
_THROTTLES = _AWS_THROTTLES | {
    "insufficient_quota",
    "rate_limit_error",
    "rate_limit_exceeded",
    "dailyLimitExceeded",
    "quotaExceeded",
    "rateLimitExceeded",
    "userRateLimitExceeded",
}
_FAILS = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "api_error",
        "overloaded_error",
        "server_error",
        "service_unavailable_error",
        "timeout_error",
    }
)

_STATUS = ("status_code", "status", "http_status")  # `code` comes last: it means something else to many
_WORD = re.compile(r"[A-Za-z][\w.-]{1,60}", re.ASCII)
#: Not there, and will not be when asked again: 501 (RFC 9110, 15.6.2), 505 (15.6.6).
_NEVER = frozenset({501, 505})
_WHY = {
    401: ": it refuses the credentials",
    402: ": it wants to be paid",
    403: ": it does not allow this",
    407: ": its proxy refuses the credentials",
}


def answered(status: int, headers: object, now: float, *words: str) -> Verdict | None:
    """What an HTTP answer means; None if it is no failure.

    Args:
        status: of HTTP.
        headers: in any shape.
        now: seconds since the epoch.
        words: codes by which the provider names what went wrong, if it has any.
    """
    return _meaning(status, headers_of(headers), now, words)


def _meaning(status: int, headers: Mapping[str, str], now: float, words: tuple[str, ...]) -> Verdict | None:
    telling = next((word for word in words if word in _THROTTLES or word in _FAILS), next(iter(words), ""))
    reason = f"answered {status or 'with an error'}" + (f" ({telling})" if telling else "") + _WHY.get(status, "")
    spent = status == 403 and limit_is_spent(headers)
    if telling in _THROTTLES or status in {420, 429} or spent:
        reason = reason.replace(_WHY[403], ": a limit is used up")
        return Verdict(Kind.THROTTLE, wait_of(headers, now), reason)
    if telling in _FAILS or status == 408 or (status >= 500 and status not in _NEVER):
        return Verdict(Kind.OUTAGE, wait_of(headers, now), reason)
    return Verdict(Kind.REJECTED, None, reason) if status >= 400 else None


def http(error: BaseException, now: float) -> Verdict | None:
    """The answer that an exception of an HTTP client carries."""
    response = peek(error, "response")
    holders = (error, response, peek(error, "resp"), peek(error, "meta"))
    metadata = item(response, "ResponseMetadata")  # botocore's is a dict
    statuses = [_status(item(metadata, "HTTPStatusCode")), *map(_status_of, holders)]
    status = next((one for one in statuses if one), 0)
    words = tuple(_words(error, response))
    if not status and not any(word in _THROTTLES or word in _FAILS for word in words):
        return None
    where = (*(peek(holder, "headers") for holder in holders), item(metadata, "HTTPHeaders"), peek(error, "resp"))
    return _meaning(status, headers_of(*where), now, words)


def _status_of(holder: object) -> int:
    for name in _STATUS:
        if status := _status(peek(holder, name)):
            return status
    code = peek(holder, "code")
    return _status(code) if isinstance(code, int) and code >= 300 else 0


def _status(value: Any) -> int:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    return int(value) if isinstance(value, int) and 100 <= value <= 599 else 0


def _words(error: BaseException, response: object) -> Iterator[str]:
    """The code words that it carries: botocore's, those of LLM clients and their streams, Google's."""
    body = peek(error, "body")
    within = item(body, "error")
    found = [item(response, "Error", "Code"), peek(error, "code"), peek(error, "type")]
    found += [item(part, key) for part in (within, body) for key in ("code", "type")]
    found += [item(one, "reason") for one in listed(peek(error, "error_details"))]
    for word in found:
        if isinstance(word, str) and _WORD.fullmatch(word):
            yield word


_GRPC = {
    "RESOURCE_EXHAUSTED": Kind.THROTTLE,
    "UNAVAILABLE": Kind.OUTAGE,
    "DEADLINE_EXCEEDED": Kind.OUTAGE,
    "INTERNAL": Kind.OUTAGE,
    "UNKNOWN": Kind.OUTAGE,
    "DATA_LOSS": Kind.OUTAGE,
    "CANCELLED": Kind.BUG,
}


def grpc(error: BaseException, now: float) -> Verdict | None:
    """The status of a call by gRPC: `error.code()` is a member of its `StatusCode`."""
    if "RpcError" not in names(error):
        return None
    name = peek(call(error, "code"), "name")
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        return Verdict(Kind.OUTAGE, None, "gRPC call failed without a status")
    kind = _GRPC.get(name, Kind.REJECTED)
    waits = kind in {Kind.THROTTLE, Kind.OUTAGE}
    wait = wait_of(headers_of(call(error, "trailing_metadata")), now) if waits else None
    return Verdict(kind, wait, f"gRPC status {name}")


_SLOWER = re.compile(r"throttl|too many (?!recipients)|rate.?limit|sending rate|slow down", re.IGNORECASE)


def smtp(error: BaseException) -> Verdict | None:
    """What a mail server answered, by smtplib or aiosmtplib: 4xx means later, 5xx means never (RFC 5321, 4.2.1).

    Of several recipients that were all refused, one that may be tried later counts.
    """
    kinds = names(error)
    if "SMTPException" not in kinds:
        return None
    if kinds & {"SMTPNotSupportedError", "SMTPNotSupported"}:
        return Verdict(Kind.REJECTED, None, "the mail server lacks what was asked of it")
    replies = sorted(_replies(error))
    if not replies:
        return None
    code = replies[0][0]
    if code >= 500:
        why = ": it refuses the credentials" if code in {530, 534, 535} else ""
        return Verdict(Kind.REJECTED, None, f"mail server answered {code}{why}")
    slower = any(_SLOWER.search(words) for one, words in replies if one < 500)
    return Verdict(Kind.THROTTLE if slower else Kind.OUTAGE, None, f"mail server answered {code}")


def _replies(error: BaseException) -> Iterator[tuple[int, str]]:
    """Code and text of each reply that refuses something."""
    for one in listed(peek(error, "recipients")) or [error]:
        code, words = _reply(one)
        if type(code) is int and 400 <= code <= 599:
            yield code, text(words[:100] if isinstance(words, str | bytes) else "")


def _reply(one: Any) -> tuple[Any, Any]:
    """A pair, as smtplib has it for each recipient; or an exception, as it has it else, and aiosmtplib always."""
    if isinstance(one, tuple):
        code, words = cast("tuple[Any, Any]", one)
        return code, words
    return peek(one, "smtp_code") or peek(one, "code"), peek(one, "smtp_error") or peek(one, "message")
