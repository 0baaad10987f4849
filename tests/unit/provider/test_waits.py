"""When a provider wants to be called again, from every form of header that is in use; and what is no time at all."""

from datetime import UTC, datetime

import pytest

from forebay.provider.shapes import headers_of
from forebay.provider.waits import LONGEST, limit_is_spent, wait_of

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC).timestamp()

SAID = [
    # Retry-After: seconds, with a fraction though RFC 9110 has none, and each form of an HTTP date
    ({"retry-after": "30"}, 30),
    ({"retry-after": "0"}, 0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": "Fri, 01 May 2026 12:00:45 GMT"}, 45),
    ({"retry-after": "Friday, 01-May-26 12:00:45 GMT"}, 45),
    ({"retry-after": "Fri May  1 12:00:45 2026"}, 45),
    ({"retry-after": "Fri, 01 May 2026 14:00:45 +0200"}, 45),
    ({"retry-after": "2026-05-01T12:00:45Z"}, 45),
    ({"retry-after": f"{NOW + 45:.0f}"}, 45),
    # one that came twice, as clients give it: the longer counts
    ({"retry-after": "30, 30"}, 30),
    ({"retry-after": "5, 1.5, 60"}, 60),
    ({"x-ratelimit-reset": "7, 90"}, 90),
    # milliseconds beside it are more exact
    ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
    ({"retry-after-ms": "nan", "retry-after": "1"}, 1),
    ({"x-ms-retry-after-ms": "40"}, 0.04),
    ({"x-amz-retry-after": "1500"}, 1.5),
    ({"grpc-retry-pushback-ms": "700"}, 0.7),
    # rate limits: seconds, milliseconds, spans, points in time
    ({"x-ratelimit-reset": "50"}, 50),
    ({"x-rate-limit-reset": "600000"}, 600),
    ({"x-ratelimit-reset-ms": "1500"}, 1.5),
    ({"x-ratelimit-reset-requests": "1s"}, 1),
    ({"x-ratelimit-reset-tokens": "6m0s"}, 360),
    ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
    ({"x-ratelimit-reset-tokens": "12ms"}, 0.012),
    ({"x-ratelimit-reset": f"{NOW + 90:.0f}"}, 90),
    ({"x-ratelimit-reset": f"{NOW + 90.25:.2f}"}, 90.25),
    ({"x-ratelimit-reset": f"{(NOW + 90) * 1e3:.0f}"}, 90),
    ({"x-ratelimit-reset": f"{(NOW + 90) * 1e6:.0f}"}, 90),
    ({"anthropic-ratelimit-tokens-reset": "2026-05-01T12:01:30Z"}, 90),
    ({"anthropic-ratelimit-unified-5h-reset": f"{NOW + 3600:.0f}"}, 3600),
    ({"ratelimit-reset": "7"}, 7),
    ({"ratelimit": '"burst";r=0;t=9'}, 9),
    ({"ratelimit": "limit=100, remaining=0, reset=9"}, 9),
    # what it asks for outright comes first
    ({"retry-after": "2", "x-ratelimit-reset": "50"}, 2),
    # a time that has passed is now
    ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
    ({"x-ratelimit-reset": f"{NOW - 5:.0f}"}, 0),
    # a day is the longest that is believed
    ({"retry-after": "31536000"}, LONGEST),
    ({"retry-after": "9" * 40}, LONGEST),
    ({"retry-after": "Sat, 01 May 2027 12:00:00 GMT"}, LONGEST),
    ({"retry-after": "9999-12-31T23:59:59Z"}, LONGEST),
    ({"x-ratelimit-reset": f"{NOW + 1e8:.0f}"}, LONGEST),
    ({"x-ratelimit-reset-tokens": "999999999999h"}, LONGEST),
]


@pytest.mark.parametrize(("headers", "seconds"), SAID, ids=[f"{headers}"[1:60] for headers, _ in SAID])
def test_a_wait_is_read_in_each_form(headers, seconds):
    assert wait_of(headers, NOW) == pytest.approx(seconds, abs=1e-3)


NOTHING = ["nan", "inf", "-inf", "-5", "1e9", "soon", "", "0x10", "1_000", "٣", "9" * 10_000, "1m" * 5_000, "5 apples"]


@pytest.mark.parametrize("value", NOTHING, ids=[value[:12] for value in NOTHING])
@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms", "x-ratelimit-reset", "ratelimit"])
def test_what_is_no_time_is_passed_over(name, value):
    assert wait_of(headers_of({name: value}), NOW) is None
    assert wait_of(headers_of({name: value, "ratelimit-reset": "3"}), NOW) == 3


def test_of_several_limits_the_one_that_is_used_up_decides():
    requests = {"x-ratelimit-remaining-requests": "59", "x-ratelimit-limit-requests": "60"}
    spent = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s", "x-ratelimit-reset-requests": "9m"}
    assert wait_of(requests | spent, NOW) == 2


def test_of_several_limits_that_are_not_used_up_the_one_of_which_least_is_left_decides():
    said = {"x-ratelimit-reset-requests": "9m", "x-ratelimit-reset-tokens": "2s"}
    shares = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"}
    shares |= {"x-ratelimit-limit-tokens": "40000", "x-ratelimit-remaining-tokens": "100"}
    assert wait_of(said | shares, NOW) == 2


def test_of_several_limits_that_say_no_more_the_longest_wait_is_safe():
    assert wait_of({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, NOW) == 360


@pytest.mark.parametrize(
    ("headers", "spent"),
    [
        ({"x-ratelimit-remaining": "0"}, True),
        ({"x-ratelimit-remaining": "12"}, False),
        ({"retry-after": "5"}, True),
        ({"content-type": "text/html"}, False),
    ],
)
def test_whether_a_limit_is_used_up(headers, spent):
    assert limit_is_spent(headers) is spent


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {b"RETRY-AFTER": b" 7 "},
        {"retry-after": ["7", "8"]},
        {"retry-after": 7},
        [("Retry-After", "7"), ("Date", None)],
        [(b"Retry-After", b"7")],
        ["Date: x", "Retry-After: 7"],
        b"Date: x\r\nRetry-After: 7\r\n",
        "Retry-After: 7",
    ],
    ids=str,
)
def test_headers_are_read_in_each_shape(headers):
    assert wait_of(headers_of(None, headers), NOW) == 7


def test_headers_without_an_end_are_read_as_far_as_answers_have_them():
    def endless():
        while True:
            yield "Retry-After", "7"

    assert headers_of(endless()) == {"retry-after": "7"}


@pytest.mark.parametrize("headers", [None, 5, object(), [1, 2], {"retry-after": None}, [("one",)], b"", "::"])
def test_what_are_no_headers_are_none(headers):
    assert headers_of(headers) == {}
