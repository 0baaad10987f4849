"""`classify`: what an exception means for the provider that a task called. By shape, importing no client library.

Looks through groups, through what clients wrap (`__cause__`, urllib3's `reason`, a first argument), and takes the
outermost that says something. Never raises, and never says a time that makes no sense.
"""

import errno
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from forebay.flow.group import is_group, leaves
from forebay.model import errors
from forebay.model.duration import seconds
from forebay.model.errors import name_of, text_of
from forebay.model.verdict import Kind, Verdict
from forebay.provider import answers
from forebay.provider.shapes import is_a, is_pythons_own, kinds, names, peek

_logger = logging.getLogger("forebay.provider")
#: Exceptions looked at: of a group, and of one chain of causes. More say nothing new.
_MOST_LEAVES = 1_000
_MOST_LINKS = 50
_DEEPEST = 5

#: Names by which clients say that a server cannot be reached, or does not answer as a server does.
_UNREACHABLE = frozenset(
    {
        "APIConnectionError",  # openai, anthropic, stripe
        "AutoReconnect",  # pymongo
        "BadStatusLine",  # http.client
        "ChunkedEncodingError",  # requests
        "ClientConnectionError",  # aiohttp
        "ClientPayloadError",
        "CloseError",  # httpx
        "ConnectError",
        "ConnectionClosed",  # websockets
        "ConnectionClosedError",  # botocore
        "ConnectionError",  # Python, requests, botocore, redis
        "HTTPClientError",  # botocore
        "IncompleteRead",  # http.client, urllib3
        "IncompleteReadError",  # asyncio
        "NetworkError",  # httpx
        "NewConnectionError",  # urllib3
        "ProtocolError",  # urllib3, httpx
        "ProxyError",
        "ReadError",
        "SMTPServerDisconnected",
        "SSLError",
        "ServerNotFoundError",  # httplib2
        "WriteError",
        "gaierror",  # socket: a name that cannot be resolved
        "herror",
    }
)
_TIMEOUTS = ("Timeout", "TimeoutError", "TimeoutException")
#: A call that was never made, because it cannot be: a bad address, a header that HTTP does not allow.
_NEVER_SENT = frozenset(
    {
        "InvalidHeader",
        "InvalidProxyURL",
        "InvalidSchema",
        "InvalidURL",
        "LocalProtocolError",
        "LocationParseError",
        "MissingSchema",
        "URLSchemeUnknown",
        "UnsupportedProtocol",
    }
)
_UNREACHABLE_NUMBERS = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ESHUTDOWN,
        errno.ETIMEDOUT,
    }
)
_ERRNO = re.compile(r"\[Errno (\d{1,4})\]", re.ASCII)  # asyncio tells of several addresses in one text, without errno
_GAVE_UP = re.compile(r"too many (\d{3}) error responses", re.ASCII)  # urllib3's retries, used up
#: Python's own that stand for what they wrap; its others (KeyError and so on) are faults of whoever wraps.
_PLAIN = frozenset({Exception, RuntimeError, OSError})
_ORDER = (Kind.BUG, Kind.REJECTED, Kind.OUTAGE, Kind.THROTTLE)


def classify(error: BaseException, now: float) -> Verdict:
    """What a failed attempt says about the provider that it called.

    Of a group the verdict that asks most of others counts: throttle, outage, rejected, bug; with the longest wait.

    Args:
        error: what the task raised.
        now: seconds since the epoch, by the store's clock; dates in the answer are compared with it.
    """
    try:
        return _of(error, now, 0) or Verdict(Kind.BUG, None, name_of(error))
    except BaseException:  # noqa: BLE001 - an exception of theirs may do anything when it is looked at
        return Verdict(Kind.BUG, None, "an exception that cannot be looked at")


def verdict(name: str, own: Callable[[BaseException], object] | None, error: BaseException, now: float) -> Verdict:
    """What a failure says, where the app may have a word of its own in it.

    Args:
        name: of the provider, for the log.
        own: the app's `classify=`. What it says counts; `None`, or what is no answer, leaves it to `classify` here.
    """
    ours = classify(error, now)
    try:
        said = None if own is None else own(error)
        return ours if said is None else _own(said, ours)
    except Exception as broken:  # noqa: BLE001 - theirs; what the task raised is what counts
        _logger.warning(
            "provider %s: its classify= has no answer to %s (%s: %s): it is to return 'outage', 'throttle', "
            "'rejected', 'bug', a Verdict, or None for what Forebay makes of it, which is %s",
            *(name, name_of(error), name_of(broken), text_of(broken), ours.kind),
        )
        return ours


def _own(said: Any, ours: Verdict) -> Verdict:
    if not isinstance(said, Verdict):
        return Verdict(Kind(said), ours.retry_after, ours.reason)
    wait = None if said.retry_after is None else seconds(said.retry_after, "retry_after")
    return Verdict(Kind(said.kind), wait, said.reason)


def _of(error: BaseException, now: float, depth: int) -> Verdict | None:
    if is_group(error):
        return _of_group(error, now, depth)
    chain = list(_chain(error))
    wrong = next((link for link in chain if names(link) & _NEVER_SENT), None)
    if wrong is not None:
        return Verdict(Kind.BUG, None, f"never sent: {name_of(wrong)}")
    for link in chain:
        found = _of_group(link, now, depth) if is_group(link) else _judge(link, now)
        if found is not None:
            return found
    return None


def _of_group(group: BaseException, now: float, depth: int) -> Verdict | None:
    if depth == _DEEPEST:
        return None
    found = [_of(leaf, now, depth + 1) for leaf, _ in zip(leaves(group), range(_MOST_LEAVES), strict=False)]
    verdicts = [one for one in found if one is not None]
    if not verdicts:
        return None
    worst = max(verdicts, key=lambda one: (_ORDER.index(one.kind), one.retry_after or 0.0))
    wait = max((one.retry_after for one in verdicts if one.retry_after is not None), default=None)
    return Verdict(worst.kind, wait, worst.reason)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it wraps, from the outside in."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _MOST_LINKS:
        seen.add(id(link))
        yield link
        link = None if is_group(link) else _wrapped(link)


def _wrapped(error: BaseException) -> BaseException | None:
    """What it says that it comes from, or carries; else, if it may stand for it, what was being handled."""
    carried = (peek(error, "__cause__"), peek(error, "reason"), *(peek(error, "args") or ())[:1])
    for one in carried:
        if isinstance(one, BaseException):
            return one
    stands_for = type(error) in _PLAIN or not is_pythons_own(error)
    handled = peek(error, "__context__") if stands_for and not peek(error, "__suppress_context__") else None
    return handled if isinstance(handled, BaseException) else None


def _judge(error: BaseException, now: float) -> Verdict | None:
    """What one exception says by itself; None if it says nothing."""
    if is_a(error, errors.TimeLimit):
        return Verdict(Kind.OUTAGE, None, "the task ran into its timeout")
    if is_a(error, errors.ForebayError) or Exception not in kinds(error):
        return Verdict(Kind.BUG, None, name_of(error))
    return answers.grpc(error, now) or answers.smtp(error) or answers.http(error, now) or _network(error)


def _network(error: BaseException) -> Verdict | None:
    called = names(error)
    if "gaierror" in called or "NameResolutionError" in called:
        return Verdict(Kind.OUTAGE, None, f"its name cannot be resolved: {name_of(error)}")
    if any(name.endswith(_TIMEOUTS) for name in called) and "NewConnectionError" not in called:  # a timeout to urllib3
        return Verdict(Kind.OUTAGE, None, f"no answer in time: {name_of(error)}")
    if called & _UNREACHABLE or _numbers(error) & _UNREACHABLE_NUMBERS:
        return Verdict(Kind.OUTAGE, None, f"no connection: {name_of(error)}")
    gave_up = _GAVE_UP.search(_said(error)) if "ResponseError" in called else None
    return answers.answered(int(gave_up[1]), None, 0.0) if gave_up else None


def _numbers(error: BaseException) -> set[int]:
    """The errno of an `OSError`, or those that its text tells of."""
    if not is_a(error, OSError):
        return set()
    number: Any = peek(error, "errno")
    return {number} if type(number) is int else {int(one) for one in _ERRNO.findall(_said(error))}


def _said(error: BaseException) -> str:
    said = (peek(error, "args") or ("",))[0]
    return said[:1000] if isinstance(said, str) else ""
