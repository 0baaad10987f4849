"""A provider is taken for one that nobody looks after when its time is long past, and never before."""

import pytest
from msgspec.structs import replace

from forebay.flow.breaker import UNKEPT, told
from forebay.flow.explain import remedy
from forebay.flow.orphan import HALF_WAY, SURE, orphaned
from forebay.model.provider import Provider, Stand, Terms

NOW = 1_000.0
CLOSED = Provider(name="smtp", terms=Terms(ramp=3.0), since=NOW)
OPEN = replace(CLOSED, stand=Stand.OPEN, until=NOW, down=NOW - 30)
OPEN_FOR, PROBE, WINDOW = 5.0, 60.0, 10.0  # of a breaker of which nothing else is said


@pytest.mark.parametrize(
    ("one", "slots", "due"),
    [
        (OPEN, 0, NOW + OPEN_FOR),
        (replace(CLOSED, throttled=NOW), 0, NOW),
        (replace(CLOSED, stand=Stand.HALF_OPEN), 1, NOW + PROBE + HALF_WAY),
        (replace(CLOSED, stand=Stand.RAMP, level=2), 2, NOW + 3.0 + WINDOW + HALF_WAY),
    ],
    ids=["open", "asked to wait", "half-open", "coming back"],
)
def test_one_whose_time_is_long_past_has_nobody(one, slots, due):
    assert not orphaned(one, slots, due + SURE)
    assert orphaned(one, slots, due + SURE + 0.1)


@pytest.mark.parametrize(
    ("one", "slots"),
    [
        (replace(OPEN, until=None, actor="ann"), 0),
        (replace(OPEN, burying=True), 1),
        (replace(OPEN, diverted=True), None),
        (CLOSED, None),
        (replace(CLOSED, throttled=NOW), None),
    ],
    ids=["opened by an operator", "ending what waits too long", "run elsewhere", "asked as usual", "put right"],
)
def test_one_that_holds_up_nothing_is_left_as_it_is(one, slots):
    assert not orphaned(one, slots, NOW + 1e6)


def test_within_ten_seconds_it_is_told_that_nobody_looks_after_it_and_what_to_do():
    assert UNKEPT not in told(OPEN, NOW + OPEN_FOR)
    said = told(OPEN, NOW + OPEN_FOR + 5.1)
    assert said == f"provider smtp has been down for 40s, a probe has been due for 10s, and {UNKEPT}"
    assert "start a worker" in remedy("smtp", said)
    assert "forebay providers close smtp" in remedy("smtp", said)


def test_one_that_is_open_for_messages_to_be_ended_has_somebody():
    assert UNKEPT not in told(replace(OPEN, burying=True), NOW + 60)
