"""An adaptive limit falls by what goes wrong, rises by what goes well where it is used, and lies within its bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from forebay.flow.breaker import advance, opened, probed, slots
from forebay.flow.capacity import HOLD, LONGEST, lowered, usual
from forebay.model.provider import Call, Capacity, Provider, Stand, Terms, Trip
from forebay.provider.operate import _close

NOW = 1_000.0
LLM = Provider(name="llm", terms=Terms(concurrency=50, adaptive=True, breaker=None), since=NOW)


def went(one, calls, now=NOW, running=None):
    return advance(one, calls, now, 0.5, (usual(one) or 0) if running is None else running)


def calls(*, ok=0, throttled=0, failed=0, slow=0, began=NOW, took=0.1):
    return [
        *[Call(began, True, took=took)] * ok,
        *[Call(began, False, throttled=True, took=took)] * throttled,
        *[Call(began, False, took=took)] * failed,
        *[Call(began, True, slow=True, took=took)] * slow,
    ]


def at(limit, **more):
    return replace(LLM, capacity=Capacity(limit=limit, since=NOW - 60, at=NOW - 60, **more))


@pytest.mark.parametrize(
    ("seen", "after"),
    [
        ({"ok": 30, "throttled": 70}, 25),  # at most half at a time
        ({"ok": 15, "throttled": 5}, 37),  # else as large a part as went wrong
        ({"ok": 99, "throttled": 1}, 45),  # one that is told to slow down is enough
        ({"ok": 40, "failed": 10}, 40),
        ({"ok": 40, "slow": 10}, 40),
        ({"ok": 95, "failed": 5}, 50),  # some always fail
    ],
)
def test_it_is_lowered_by_what_goes_wrong(seen, after):
    one = went(at(50), calls(**seen))
    assert slots(one, NOW) == after
    assert advance(replace(one, terms=Terms(concurrency=50)), [], NOW, 0.5, 0).capacity is None


def test_few_timeouts_count_by_the_time_that_they_take():
    seen = [*calls(ok=95), *calls(failed=5, took=10.0)]
    assert usual(went(at(50), seen)) == 25


def test_what_began_before_it_was_lowered_says_nothing_of_that():
    one = went(at(50), calls(throttled=50))
    assert usual(one) == 25
    assert went(one, calls(throttled=25, began=NOW - 1), NOW + 2) == replace(one, calls=75, failures=75)
    assert usual(went(one, calls(throttled=25, began=NOW + 1), NOW + 2)) == 12


def test_timeouts_of_before_it_was_raised_count():
    one = went(at(10), calls(ok=20))
    assert usual(one) == 13
    assert usual(went(one, calls(failed=20, began=NOW - 5), NOW + 0.1)) == 6


def test_it_never_falls_below_one():
    one, now = LLM, NOW
    for _ in range(20):
        now += 2
        one = went(one, calls(throttled=50, began=now), now)
    assert (usual(one), one.capacity.limit) == (1, 1.0)


def test_it_rises_where_it_is_used_and_up_to_what_was_declared():
    one, now, found = at(1), NOW, []
    while usual(one) < 50:
        now += 1.1
        one = went(one, calls(ok=60, began=now), now)
        found.append(usual(one))
    assert found[:4] == [2, 3, 5, 7]
    assert len(found) < 16
    assert usual(went(one, calls(ok=60, began=now + 2), now + 2)) == 50


def test_nor_does_it_rise_where_few_run_or_little_has_ended():
    assert usual(went(at(20), calls(ok=60), running=9)) == 20
    assert usual(went(at(20), calls(ok=9))) == 20
    assert usual(went(at(20), calls(ok=10))) == 25


def test_what_was_too_much_is_tried_again_after_a_while():
    one = went(at(7), calls(ok=8, throttled=2))
    assert usual(one) == 5
    steps, now, tried = [usual(one)], NOW, 0.0
    while usual(one) < 7:
        now += 1.1
        one = went(one, calls(ok=20, began=now), now)
        steps.append(usual(one))
        tried = now if usual(one) == 7 else tried
    assert steps[1] == 6  # one less than what was too much: at once
    assert tried - NOW >= HOLD
    one = went(one, calls(ok=20, began=now + 1.1), now + 1.1)
    assert usual(one) > 7  # as much has gone well


def test_where_each_trial_costs_a_long_wait_it_is_tried_seldom():
    asked = [*calls(ok=9), Call(NOW, None, until=NOW + 20, throttled=True)]
    one = went(at(7), asked)
    assert one.capacity.hold == 200
    later = [*calls(ok=9), Call(NOW, None, until=NOW + 3600, throttled=True)]
    assert went(at(7), later).capacity.hold == LONGEST


def test_a_step_takes_a_second_unless_half_goes_wrong():
    begun = replace(LLM, capacity=Capacity(limit=50, since=NOW - 60, at=NOW))
    assert usual(went(begun, calls(ok=30, throttled=20), NOW + 0.5)) == 50
    assert usual(went(begun, calls(ok=30, throttled=31), NOW + 0.5)) == 25


def test_a_task_that_says_that_it_is_down_does_not_lower_it():
    one = went(at(50), [Call(NOW, False, down=True, until=NOW + 60)] * 20)
    assert (one.stand, usual(one)) == (Stand.OPEN, 50)


def test_to_be_told_to_slow_down_opens_no_breaker_until_it_is_one_at_a_time():
    one, now = replace(LLM, terms=Terms(concurrency=50, adaptive=True)), NOW
    while usual(one) > 1:
        one, now = went(one, calls(throttled=50, began=now), now), now + 2
        assert one.stand is Stand.CLOSED
    assert went(one, calls(throttled=20, began=now), now).stand is Stand.OPEN
    assert went(replace(LLM, terms=Terms(concurrency=50)), calls(throttled=50)).stand is Stand.OPEN


def test_on_its_way_back_it_is_lowered_to_half_of_where_calls_failed_again():
    terms = Terms(concurrency=50, adaptive=True, breaker=Trip(open_for=1))
    one = replace(probed(opened(replace(LLM, terms=terms), NOW, NOW, "503"), NOW, 0), stand=Stand.RAMP, level=8)
    one = went(one, calls(ok=1, failed=4, began=NOW + 1), NOW + 1)
    assert (one.stand, usual(one), one.capacity.ceiling) == (Stand.OPEN, 4, 8)
    one = went(probed(one, NOW + 5, 0), calls(ok=1, began=NOW + 5), NOW + 5)
    assert (one.stand, slots(one, NOW + 5)) == (Stand.RAMP, 2)
    one = went(one, calls(ok=2, began=NOW + 6), NOW + 6)
    assert (one.stand, slots(one, NOW + 6)) == (Stand.CLOSED, 4)


def test_it_says_how_few_and_why():
    one = went(at(50), calls(ok=5, throttled=4, failed=2))
    assert lowered(one, NOW + 12) == (
        "provider llm takes 25 of 50 at a time: of 11 calls 4 told to slow down and 2 not answered, 12s ago"
    )
    assert lowered(LLM, NOW) == ""
    assert lowered(at(50), NOW) == ""


def test_who_closes_it_by_hand_has_it_asked_by_as_many_as_were_declared():
    assert usual(_close("llm", at(5), NOW, 0)) == 50


def test_without_it_nothing_is_kept():
    plain = replace(LLM, terms=Terms(concurrency=50, breaker=None))
    assert went(plain, calls(ok=5, throttled=50)).capacity is None


def test_a_lower_bound_that_is_declared_holds_at_once():
    assert slots(replace(at(40), terms=Terms(concurrency=10, adaptive=True)), NOW) == 10


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 30),
            st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(-40, 0), st.booleans()), max_size=30),
            st.integers(0, 60),
        ),
        max_size=25,
    )
)
def test_whatever_happens_it_lies_within_its_bounds(steps):
    one, now = replace(LLM, terms=Terms(concurrency=50, adaptive=True)), NOW
    for wait, ends, running in steps:
        now += wait
        seen = [Call(now + began, ok, throttled=told and ok is not True) for ok, began, told in ends]
        one = advance(one, seen, now, 0.5, running)
        assert 1 <= usual(one) <= 50
        if one.stand in (Stand.CLOSED, Stand.RAMP) and not one.shut(now):
            assert 1 <= slots(one, now) <= usual(one)
