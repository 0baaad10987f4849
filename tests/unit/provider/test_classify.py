"""What a failure says about its provider, by the shape of what was raised: a table of shapes, and hostile ones.

The shapes of openai, anthropic, botocore, grpc, google-api-core, aiosmtplib and stripe are written down here from the
documented attributes of their exceptions; test_clients.py has real clients against real servers.
"""

import errno
import smtplib
import socket
import ssl
import urllib.error
from email.message import Message
from http import HTTPStatus
from types import SimpleNamespace

import pytest

from forebay import ResultTimeout, Retry
from forebay.model.errors import EngineUnreachable, TimeLimit
from forebay.model.verdict import Kind, Verdict
from forebay.provider.classify import classify, verdict
from forebay.provider.waits import LONGEST

NOW = 1_777_636_800.0  # 2026-05-01T12:00:00Z
OUTAGE, THROTTLE, REJECTED, BUG = Kind.OUTAGE, Kind.THROTTLE, Kind.REJECTED, Kind.BUG


def shaped(name, *above, **attributes):
    """An exception of a class by this name, below classes of the other names."""
    kind = Exception
    for one in reversed((name, *above)):
        kind = type(one, (kind,), {})
    error = kind("boom")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


def answer(status, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(status_code=status, headers=headers)


def http(status, **headers):
    """As httpx, requests, openai and anthropic have it."""
    return shaped("HTTPStatusError", response=answer(status, **headers))


def aws(code, status=400, **headers):
    """botocore's ClientError."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return shaped("ClientError", response={"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": metadata})


def rpc(status, *metadata):
    """grpc's: a status by a method."""
    code = SimpleNamespace(name=status, value=(14, status.lower()))
    return shaped("AioRpcError", "RpcError", code=lambda: code, trailing_metadata=lambda: metadata)


def streamed(kind, status=200):
    """An error in the middle of a stream that began with 200, as anthropic raises it."""
    body = {"type": "error", "error": {"type": kind, "message": "…"}}
    return shaped("APIStatusError", status_code=status, body=body, response=answer(status))


def urllib_error(status, **headers):
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return urllib.error.HTTPError("http://x/", status, "…", message, None)


def caused(error, by):
    error.__cause__ = by
    return error


def handling(error, handled):
    """`error`, raised while `handled` was being handled, without `from`."""
    error.__context__ = handled
    return error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

SHAPES = {
    # HTTP statuses
    "429": (http(429), THROTTLE, None),
    "429, seconds": (http(429, retry_after="30"), THROTTLE, 30),
    "429, a date": (http(429, Retry_After="Fri, 01 May 2026 12:02:00 GMT"), THROTTLE, 120),
    "429, milliseconds": (http(429, retry_after_ms="125"), THROTTLE, 0.125),
    "429, openai's": (http(429, x_ratelimit_reset_tokens="6m0s"), THROTTLE, 360),
    "429, anthropic's": (http(429, anthropic_ratelimit_requests_reset="2026-05-01T12:00:20Z"), THROTTLE, 20),
    "420": (http(420), THROTTLE, None),
    "503": (http(503), OUTAGE, None),
    "503, seconds": (http(503, retry_after="30"), OUTAGE, 30),
    "503, a date": (http(503, retry_after="Fri, 01 May 2026 12:02:00 GMT"), OUTAGE, 120),
    "529, of anthropic": (http(529), OUTAGE, None),
    "500": (http(500), OUTAGE, None),
    "502": (http(502), OUTAGE, None),
    "504": (http(504), OUTAGE, None),
    "501": (http(501), REJECTED, None),
    "408": (http(408), OUTAGE, None),
    "400": (http(400), REJECTED, None),
    "401": (http(401), REJECTED, None),
    "403": (http(403), REJECTED, None),
    "403, a limit of GitHub's": (
        http(403, x_ratelimit_remaining="0", x_ratelimit_reset="1777636860"),
        THROTTLE,
        60,
    ),
    "403, with requests left": (http(403, x_ratelimit_remaining="12", x_ratelimit_reset="60"), REJECTED, None),
    "404, with Retry-After": (http(404, retry_after="5"), REJECTED, None),
    "422": (http(422), REJECTED, None),
    "302": (http(302), BUG, None),
    "200 that cannot be read": (shaped("JSONDecodeError", response=answer(200)), BUG, None),
    # where clients keep it
    "status, headers": (shaped("ClientResponseError", status=503, headers={"Retry-After": "5"}), OUTAGE, 5),
    "status as text": (shaped("ApiError", status="429"), THROTTLE, None),
    "http_status, headers": (shaped("StripeError", http_status=429, headers={"retry-after": "5"}), THROTTLE, 5),
    "code": (shaped("TooManyRequests", code=HTTPStatus.TOO_MANY_REQUESTS), THROTTLE, None),
    "meta": (shaped("ApiError", meta=SimpleNamespace(status=503, headers={"retry-after": "5"})), OUTAGE, 5),
    "resp": (shaped("HttpError", resp=type("Response", (dict,), {"status": 503})({"retry-after": "5"})), OUTAGE, 5),
    "urllib": (urllib_error(503, Retry_After="5"), OUTAGE, 5),
    "urllib, 404": (urllib_error(404), REJECTED, None),
    "a code that is no status": (shaped("WeirdError", code=20429), BUG, None),
    "a status that is true": (shaped("WeirdError", status=True), BUG, None),
    # LLM clients
    "openai, out of money": (shaped("RateLimitError", status_code=429, code="insufficient_quota"), THROTTLE, None),
    "openai, in a stream": (shaped("APIError", code="rate_limit_exceeded", body={}), THROTTLE, None),
    "openai, failed in a stream": (shaped("APIError", code=None, type="server_error", body={}), OUTAGE, None),
    "openai, refused": (shaped("BadRequestError", status_code=400, code="context_length_exceeded"), REJECTED, None),
    "openai, no connection": (caused(shaped("APIConnectionError"), shaped("ConnectError")), OUTAGE, None),
    "openai, no answer": (shaped("APITimeoutError", "APIConnectionError"), OUTAGE, None),
    "openai, a key with a line end": (
        caused(shaped("APIConnectionError"), shaped("LocalProtocolError", "ProtocolError")),
        BUG,
        None,
    ),
    "anthropic, overloaded": (streamed("overloaded_error"), OUTAGE, None),
    "anthropic, limited": (streamed("rate_limit_error"), THROTTLE, None),
    "anthropic, failed": (streamed("api_error"), OUTAGE, None),
    "anthropic, something else in a stream": (streamed("invalid_request_error"), BUG, None),
    "google, 403 by a limit": (
        shaped("HttpError", status_code=403, error_details=[{"reason": "userRateLimitExceeded"}]),
        THROTTLE,
        None,
    ),
    # botocore
    "aws, throttled": (aws("ThrottlingException"), THROTTLE, None),
    "aws, DynamoDB": (aws("ProvisionedThroughputExceededException"), THROTTLE, None),
    "aws, S3 asks to slow down": (aws("SlowDown", 503), THROTTLE, None),
    "aws, with a time": (aws("TooManyRequestsException", 429, x_amz_retry_after="1500"), THROTTLE, 1.5),
    "aws, S3 had to wait": (aws("RequestTimeout", 400), OUTAGE, None),
    "aws, failed": (aws("InternalError", 500), OUTAGE, None),
    "aws, refused": (aws("AccessDenied", 403), REJECTED, None),
    "aws, not there": (aws("NoSuchKey", 404), REJECTED, None),
    "aws, no connection": (shaped("EndpointConnectionError", "ConnectionError", "BotoCoreError"), OUTAGE, None),
    "aws, no answer": (shaped("ReadTimeoutError", "HTTPClientError", "BotoCoreError"), OUTAGE, None),
    "aws, wrong parameters": (shaped("ParamValidationError", "BotoCoreError"), BUG, None),
    # gRPC
    "grpc, exhausted": (rpc("RESOURCE_EXHAUSTED"), THROTTLE, None),
    "grpc, pushed back": (rpc("UNAVAILABLE", ("grpc-retry-pushback-ms", "250")), OUTAGE, 0.25),
    "grpc, too late": (rpc("DEADLINE_EXCEEDED"), OUTAGE, None),
    "grpc, wrong argument": (rpc("INVALID_ARGUMENT"), REJECTED, None),
    "grpc, not allowed": (rpc("PERMISSION_DENIED"), REJECTED, None),
    "grpc, cancelled here": (rpc("CANCELLED"), BUG, None),
    "grpc, without a status": (shaped("RpcError"), OUTAGE, None),
    # mail
    "smtp, later": (smtplib.SMTPDataError(451, b"4.3.0 try again later"), OUTAGE, None),
    "smtp, closing": (smtplib.SMTPSenderRefused(421, b"4.3.2 closing", "a@b.c"), OUTAGE, None),
    "smtp, SES at its rate": (
        smtplib.SMTPDataError(454, b"Throttling failure: Maximum sending rate exceeded."),
        THROTTLE,
        None,
    ),
    "smtp, too many recipients": (smtplib.SMTPDataError(452, b"4.5.3 Too many recipients"), OUTAGE, None),
    "smtp, never": (smtplib.SMTPDataError(554, b"5.7.1 rejected"), REJECTED, None),
    "smtp, credentials": (smtplib.SMTPAuthenticationError(535, b"5.7.8 no"), REJECTED, None),
    "smtp, all refused": (smtplib.SMTPRecipientsRefused({"a@b.c": (550, b"no such user")}), REJECTED, None),
    "smtp, one of them later": (
        smtplib.SMTPRecipientsRefused({"a@b.c": (550, b"no such user"), "d@e.f": (450, b"greylisted")}),
        OUTAGE,
        None,
    ),
    "smtp, gone": (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), OUTAGE, None),
    "smtp, connection refused with 554": (smtplib.SMTPConnectError(554, b"no service here"), REJECTED, None),
    "smtp, cannot": (smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server."), REJECTED, None),
    "aiosmtplib": (
        shaped("SMTPDataError", "SMTPResponseException", "SMTPException", code=451, message="x"),
        OUTAGE,
        None,
    ),
    "aiosmtplib, all refused": (
        shaped(
            "SMTPRecipientsRefused",
            "SMTPException",
            recipients=[shaped("SMTPRecipientRefused", "SMTPException", code=550, message="no")],
        ),
        REJECTED,
        None,
    ),
    # connections
    "refused": (REFUSED, OUTAGE, None),
    "reset": (ConnectionResetError(errno.ECONNRESET, "…"), OUTAGE, None),
    "broken pipe": (BrokenPipeError(errno.EPIPE, "…"), OUTAGE, None),
    "no route": (OSError(errno.EHOSTUNREACH, "No route to host"), OUTAGE, None),
    "several addresses": (
        OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 101] …"),
        OUTAGE,
        None,
    ),
    "no name": (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), OUTAGE, None),
    "timeout": (TimeoutError(), OUTAGE, None),
    "certificate": (ssl.SSLCertVerificationError("certificate verify failed"), OUTAGE, None),
    "urllib, refused": (urllib.error.URLError(REFUSED), OUTAGE, None),
    "urllib, a wrong address": (urllib.error.URLError("unknown url type: x"), BUG, None),
    "urllib3's retries used up": (
        shaped("MaxRetryError", reason=shaped("ResponseError", args=("too many 503 error responses",))),
        OUTAGE,
        None,
    ),
    "redis-py": (shaped("ConnectionError", "RedisError"), OUTAGE, None),
    # faults of programs
    "KeyError": (KeyError("x"), BUG, None),
    "no file": (FileNotFoundError(errno.ENOENT, "…"), BUG, None),
    "no more files": (OSError(errno.EMFILE, "Too many open files"), BUG, None),
    "exit": (SystemExit(503), BUG, None),
    "Ctrl-C": (KeyboardInterrupt(), BUG, None),
    "a result of ours that did not come": (ResultTimeout("…"), BUG, None),
    "our own engine": (caused(EngineUnreachable("…"), REFUSED), BUG, None),
    "our own timeout": (TimeLimit("…"), OUTAGE, None),
    # what is wrapped
    "a cause": (caused(RuntimeError("could not send"), http(429, retry_after="3")), THROTTLE, 3),
    "a cause of a cause": (caused(ValueError(), caused(RuntimeError(), REFUSED)), OUTAGE, None),
    "the outermost that says something": (caused(http(429), REFUSED), THROTTLE, None),
    "a first argument": (shaped("AppError", args=(REFUSED,)), OUTAGE, None),
    "raised anew without from": (handling(shaped("MailFailed"), REFUSED), OUTAGE, None),
    "a fault while handling": (handling(KeyError("x"), REFUSED), BUG, None),
    "asked to be tried again": (caused(Retry(after=5), REFUSED), OUTAGE, None),
    # groups
    "group": (ExceptionGroup("x", [KeyError("x"), ExceptionGroup("y", [REFUSED])]), OUTAGE, None),
    "group, longest wait": (ExceptionGroup("x", [http(429, retry_after="3"), http(503, retry_after="9")]), THROTTLE, 9),
    "group, refused and down": (ExceptionGroup("x", [http(404), REFUSED]), OUTAGE, None),
    "group of bugs": (ExceptionGroup("x", [KeyError("x")]), BUG, None),
    "group as a cause": (caused(RuntimeError(), ExceptionGroup("x", [REFUSED])), OUTAGE, None),
}


@pytest.mark.parametrize(("error", "kind", "wait"), SHAPES.values(), ids=SHAPES.keys())
def test_a_failure_is_told_by_its_shape(error, kind, wait):
    verdict = classify(error, NOW)
    assert (verdict.kind, verdict.retry_after) == (kind, wait), verdict
    assert verdict.reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (http(401), "answered 401: it refuses the credentials"),
        (http(403), "answered 403: it does not allow this"),
        (http(403, retry_after="1"), "answered 403: a limit is used up"),
        (shaped("RateLimitError", status_code=429, code="insufficient_quota"), "answered 429 (insufficient_quota)"),
        (smtplib.SMTPAuthenticationError(535, b"no"), "mail server answered 535: it refuses the credentials"),
        (REFUSED, "no connection: ConnectionRefusedError"),
        (KeyError("x"), "KeyError"),
        (shaped("APIError", body={"code": "word with spaces and a secret"}), "test_classify.APIError"),
    ],
)
def test_the_reason_says_what_happened_and_quotes_no_free_text(error, reason):
    assert classify(error, NOW).reason.endswith(reason)


def test_a_verdict_is_a_value():
    assert Verdict(OUTAGE) == Verdict(Kind("outage"), None, "")
    with pytest.raises(AttributeError):
        Verdict(OUTAGE).kind = BUG


class Raising(Exception):
    """Raises whatever is asked of it, and pretends to be of another class."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __str__(self):
        raise SystemExit(3)


class Exiting(Exception):
    @property
    def response(self):
        raise SystemExit(3)

    @property
    def status(self):
        raise KeyboardInterrupt

    status_code = 503


class Meta(type):
    @property
    def __mro__(cls):
        raise RuntimeError

    @property
    def __module__(cls):
        raise RuntimeError


class Strange(ConnectionError, metaclass=Meta):
    pass


def circular():
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    return first


def deep():
    error = KeyError("x")
    for _ in range(5_000):
        error = caused(RuntimeError(), error)
    return error


def nested():
    error = KeyError("x")
    for _ in range(200):
        error = ExceptionGroup("x", [caused(RuntimeError(), ExceptionGroup("y", [error]))])
    return error


HOSTILE = {
    "raises": (Raising(), BUG),
    "exits": (Exiting(), OUTAGE),
    "a metaclass that raises": (Strange(), OUTAGE),
    "circular": (circular(), BUG),
    "deep": (deep(), BUG),
    "nested": (nested(), BUG),
    "many": (ExceptionGroup("x", [KeyError("x")] * 5_000), BUG),
    "a status that is a mapping": (shaped("E", status={}, response=[], headers=5), BUG),
    "a huge status": (shaped("E", status=10**400), BUG),
    "headers as bytes": (shaped("E", status=429, headers=b"retry-after: nan"), THROTTLE),
    "headers that raise": (shaped("E", status=429, headers=Raising()), THROTTLE),
    "words that are no words": (shaped("E", status=429, code=["x"], body={"error": {"type": {}}}), THROTTLE),
    "recipients of anything": (smtplib.SMTPRecipientsRefused({"a": (None, None), "b": 5, "c": ("450", 5)}), BUG),
    "a reply of anything": (smtplib.SMTPResponseException("451", object()), BUG),
    "a code that raises": (shaped("RpcError", code=lambda: 1 / 0, trailing_metadata=5), OUTAGE),
}


@pytest.mark.parametrize(("error", "kind"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_shape_does_no_harm(error, kind):
    assert classify(error, NOW).kind is kind


@pytest.mark.parametrize(
    "value", ["nan", "-1", "1e400", "9" * 10_000, "x" * 10_000, b"\xff\xfe", None, [], {}, 1e400, -3]
)
def test_a_wait_that_makes_no_sense_is_none(value):
    assert classify(http(429, retry_after=value), NOW) == Verdict(THROTTLE, None, "answered 429")


@pytest.mark.parametrize("value", ["31536000", "Sat, 01 May 2027 12:00:00 GMT", "9" * 40])
def test_a_wait_of_a_year_is_one_of_a_day(value):
    assert classify(http(503, retry_after=value), NOW).retry_after == LONGEST


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, Verdict(OUTAGE, 5.0, "answered 503")),
        ("rejected", Verdict(REJECTED, 5.0, "answered 503")),
        (BUG, Verdict(BUG, 5.0, "answered 503")),
        (Verdict(THROTTLE, 7.0, "busy"), Verdict(THROTTLE, 7.0, "busy")),
    ],
)
def test_an_app_may_say_itself_what_a_failure_means(said, expected):
    assert verdict("p", lambda _: said, http(503, retry_after="5"), NOW) == expected


@pytest.mark.parametrize(
    "said", ["nonsense", 5, True, [], Verdict("never"), Verdict(THROTTLE, -1.0), Verdict(OUTAGE, float("nan"))]
)
def test_what_is_no_answer_of_an_app_is_logged_and_left_to_us(said, caplog):
    assert verdict("p", lambda _: said, http(503, retry_after="5"), NOW).kind is OUTAGE
    assert "provider p: its classify= has no answer to" in caplog.text


def test_a_classification_that_fails_is_logged_and_left_to_us(caplog):
    assert verdict("p", lambda _: 1 / 0, http(404), NOW).kind is REJECTED
    assert "ZeroDivisionError: division by zero" in caplog.text
