"""Demand: what can start now, and a little work ahead, but never a second slow message behind a busy slot."""

import pytest

from forebay.flow.demand import AHEAD, LONGEST, MOST, ahead, demand

RATE = 5_000.0
QUICK = 0.001


def test_slow_work_is_asked_for_only_as_far_as_it_can_start_now():
    assert demand(free=10, buffered=0, ahead=ahead(5.0, QUICK)) == 10
    assert demand(free=0, buffered=0, ahead=ahead(5.0, QUICK)) == 0


def test_fast_work_is_asked_for_a_moment_ahead():
    assert demand(free=10, buffered=0, ahead=ahead(RATE, QUICK)) == 10 + int(RATE * AHEAD)


@pytest.mark.parametrize("trip", [0.0, 0.001, 0.004, 0.006, 0.009, 0.01, 0.5, 100.0])
def test_what_is_held_ahead_lasts_until_a_lease_is_answered_within_bounds(trip):
    """It is asked for when half of it is left, which goes on for `trip` at least, and for twice that if it may."""
    held = ahead(RATE, trip)
    assert RATE * AHEAD <= held <= RATE * LONGEST
    assert held / 2 >= RATE * min(2 * trip, LONGEST / 2) - 1


@pytest.mark.parametrize(("buffered", "wanted"), [(0, 100), (50, 50), (51, 0), (100, 0)])
def test_what_is_held_already_is_not_asked_for_again_until_half_of_it_has_gone(buffered, wanted):
    assert demand(free=0, buffered=buffered, ahead=100) == wanted


def test_one_lease_has_a_bound():
    assert demand(free=10**6, buffered=0, ahead=ahead(1e9, QUICK)) == MOST


def test_demand_is_never_negative():
    assert demand(free=1, buffered=500, ahead=0) == 0
