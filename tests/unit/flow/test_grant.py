"""Meters let through what they say: against a slow reference that looks at every moment, and within ±2 % of a rate."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from forebay.flow.grant import LATE, TOGETHER, given_back, grant, set_back, shown, slack, through, tolerance, why
from forebay.model.meter import Meter

rates = st.sampled_from([0.1, 0.5, 1.0, 2.0, 7.0, 50.0, 1000.0])
bursts = st.none() | st.sampled_from([1.0, 2.0, 10.0, 500.0])
costs = st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0])


class Bucket:
    """The slow reference: a bucket that fills with time; one message at a time takes what it costs, if it may."""

    def __init__(self, meter):
        self.meter, self.level, self.at, self.running = meter, 0.0, 0.0, 0
        self.most = tolerance(meter) * meter.rate

    def take(self, now, cost):
        self.level = max(0.0, self.level - (now - self.at) * self.meter.rate)
        self.at = now
        full = self.meter.slots is not None and self.running >= self.meter.slots
        if full or self.level > self.most + 1e-6:
            return False
        self.level += cost
        self.running += 1
        return True


@settings(max_examples=100, deadline=None)
@given(
    rate=rates,
    burst=bursts,
    slots=st.none() | st.integers(0, 20),
    visits=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 40), costs, st.integers(0, 5)), max_size=30),
)
def test_a_batch_gets_what_its_messages_would_get_one_by_one(rate, burst, slots, visits):
    meter, now = Meter(name="m", rate=rate, burst=burst, slots=slots), 1000.0
    bucket = Bucket(meter)
    for passed, want, cost, ended in visits:
        now += passed
        meter = replace(meter, running=max(0, meter.running - ended))
        bucket.running = meter.running
        expected = 0
        while expected < want and bucket.take(now, cost):
            expected += 1
        answer = grant(meter, now, want, cost)
        assert abs(answer.n - expected) <= 1, "but for the rounding of one"
        meter = replace(meter, running=meter.running + answer.n, tat=answer.tat)
        bucket.level, bucket.at, bucket.running = max(0.0, meter.tat - now) * rate, now, meter.running


@settings(max_examples=100, deadline=None)
@given(rate=rates, burst=bursts, now=st.floats(1e9, 2e9), taken=st.integers(1, 50), cost=costs)
def test_when_it_says_again_it_lets_one_through_and_not_before(rate, burst, now, taken, cost):
    meter = Meter(name="m", rate=rate, burst=burst)
    meter = replace(meter, tat=grant(meter, now, taken, cost).tat)
    answer = grant(meter, now, 1, cost)
    again = answer.again or 0.0
    if not answer.n:
        assert again > now
        assert grant(meter, again, 1, cost).n == 1
        assert grant(meter, (now + again) / 2, 1, cost).n == 0 or again - now < 1e-5


@pytest.mark.parametrize("rate", [1.0, 20.0, 50.0, 333.0])
@pytest.mark.parametrize("late", [0.0, 0.03, 0.09])
def test_a_rate_is_kept_within_two_percent_however_late_each_visit_is(rate, late):
    meter, now, count, span = Meter(name="m", rate=rate), 0.0, 0, max(30.0, 1000 / rate)
    while now < span:
        answer = grant(meter, now, 100)
        count += answer.n
        meter = replace(meter, tat=answer.tat)
        now = max(now, answer.again or 0.0) + late + 1e-6
    assert count == pytest.approx(rate * span, rel=0.02, abs=rate * LATE + 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(rates, st.none() | st.integers(0, 9)), max_size=4), st.lists(costs, max_size=20))
def test_several_meters_let_through_what_the_strictest_does(bounds, line):
    meters = [Meter(name=str(n), rate=rate, slots=slots) for n, (rate, slots) in enumerate(bounds)]
    n, after = through(meters, 1000.0, line)
    assert [meter.running for meter in after] == [n] * len(meters)
    one_by_one, passed = meters, 0
    for cost in line:
        taken, one_by_one = through(one_by_one, 1000.0, [cost])
        if not taken:
            break
        passed += 1
    assert passed == n
    for meter, other in zip(after, one_by_one, strict=True):
        assert meter.tat == pytest.approx(other.tat)


def test_what_costs_nothing_waits_like_all_others_and_takes_nothing_from_the_rate():
    meter = Meter(name="m", rate=1.0)
    meter = replace(meter, tat=grant(meter, 5000.0, 1).tat)
    answer = grant(meter, 5000.0, 9, cost=0.0)
    assert (answer.n, answer.tat, answer.again) == (0, meter.tat, 5001.0 - LATE)
    answer = grant(meter, 5001.0, 9, cost=0.0)
    assert answer.n == 9
    assert grant(replace(meter, tat=answer.tat), 5001.0, 9).n == 1


def test_after_a_quiet_time_a_burst_starts_at_once_and_no_more_is_saved_up():
    meter = Meter(name="m", rate=1.0, burst=10.0)
    assert grant(meter, 5000.0, 100).n == 10
    meter = replace(meter, tat=grant(meter, 5000.0, 100).tat)
    assert grant(meter, 5003.0, 100).n == 3
    assert grant(meter, 9000.0, 100).n == 10


@settings(max_examples=100, deadline=None)
@given(
    meter=st.builds(Meter, name=st.just("m"), rate=rates, burst=bursts),
    taken=st.integers(1, 30), back=st.integers(1, 30), later=st.floats(0, 100), cost=costs,
)  # fmt: skip
def test_what_is_given_back_may_start_again_and_no_more_than_a_full_burst(meter, taken, back, later, cost):
    now, fresh = 5000.0, meter
    full = grant(meter, now, taken, cost)
    meter = replace(meter, tat=full.tat)
    left = grant(meter, now + later, 1000, cost).n
    for _ in range(min(back, full.n)):
        meter = replace(meter, tat=given_back(meter, now + later, cost))
    free = grant(meter, now + later, 1000, cost).n
    assert free >= left
    assert free <= grant(fresh, now, 1000, cost).n
    if not later:
        assert abs(free - left - min(back, full.n)) <= 1 or free == 1000


def test_a_clock_was_set_back_if_it_shows_a_second_less_than_before():
    assert set_back(5000.0, 4000.0) == 1000.0
    assert set_back(5000.0, 4999.5) == 0.0
    assert set_back(5000.0, 6000.0) == 0.0


def test_a_meter_without_bounds_lets_everything_through_and_slots_bound_what_runs():
    assert grant(Meter(name="m"), 5.0, 7).n == 7
    answer = grant(Meter(name="m", slots=3, running=1), 5.0, 7)
    assert (answer.n, answer.again) == (2, None)
    assert grant(Meter(name="m", slots=1, running=4), 5.0, 7).n == 0


def test_why_is_in_words_that_a_person_reads():
    assert why(Meter(name="m", slots=3, running=3), 5.0) == "3 of 3 slots taken"
    assert why(Meter(name="provider:smtp", slots=0, running=2), 5.0) == "not asked now"
    assert why(Meter(name="m", rate=50.0, tat=6.0), 5.0) == "rate 50/s, next in 900ms"
    assert why(Meter(name="m", rate=1 / 3600, tat=3606.0), 5.0) == "rate 1/h, next in 1h"
    assert why(Meter(name="m", rate=50.0), 5.0) == ""
    assert [shown(rate) for rate in (50.0, 0.5, 100 / 60, 1 / 3600, 10 / 86400, math.pi, 1e-7)] == [
        "50/s", "30/m", "100/m", "1/h", "10/d", "3.14159/s", "0.00864/d",
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(rate=st.floats(0.1, 20.0), burst=bursts, seed=st.integers(0, 1000))
def test_a_rate_is_kept_by_one_who_comes_late_within_its_slack(rate, burst, seed):
    meter, late = Meter(name="m", rate=rate, burst=burst), random.Random(seed)
    assert 0 < slack(meter) <= TOGETHER
    now, starts = 1000.0, list[float]()
    for _ in range(400):
        answer = grant(meter, now, 1)
        assert answer.n == 1
        assert answer.again is not None
        starts.append(now)
        meter = replace(meter, tat=answer.tat)
        now = max(now, answer.again) + late.uniform(0, slack(meter))
    kept = starts[100:]  # the first ones are what had been saved up
    assert (len(kept) - 1) / (kept[-1] - kept[0]) >= rate * 0.98
    assert slack(Meter(name="m")) == 0, "without a rate nothing is waited for"
