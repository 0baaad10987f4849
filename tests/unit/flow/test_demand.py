"""Demand: what can start now, and a little work ahead, but never a second slow message behind a busy slot."""

import pytest

from forebay.flow.demand import AHEAD, MOST, demand


def test_slow_work_is_asked_for_only_as_far_as_it_can_start_now():
    assert demand(free=10, buffered=0, rate=5.0) == 10
    assert demand(free=0, buffered=0, rate=5.0) == 0


def test_fast_work_is_asked_for_a_moment_ahead():
    assert demand(free=10, buffered=0, rate=5_000) == 10 + int(5_000 * AHEAD)


@pytest.mark.parametrize(("buffered", "wanted"), [(0, 100), (50, 50), (51, 0), (100, 0)])
def test_what_is_held_already_is_not_asked_for_again_until_half_of_it_has_gone(buffered, wanted):
    assert demand(free=0, buffered=buffered, rate=5_000) == wanted


def test_one_lease_has_a_bound():
    assert demand(free=10**6, buffered=0, rate=10**9) == MOST


def test_demand_is_never_negative():
    assert demand(free=1, buffered=500, rate=0.0) == 0
