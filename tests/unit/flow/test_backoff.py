"""Backoff windows: they double, have a cap, and a draw spreads over all of the window."""

import pytest

from forebay.flow.backoff import full_jitter


@pytest.mark.parametrize(("attempt", "window"), [(1, 2.0), (2, 4.0), (3, 8.0), (5, 32.0), (6, 60.0), (7, 60.0)])
def test_the_window_doubles_with_each_try_up_to_the_cap(attempt, window):
    assert full_jitter(attempt, base=2, cap=60, draw=1.0) == window


@pytest.mark.parametrize(("draw", "delay"), [(0.0, 0.0), (0.25, 2.0), (0.5, 4.0), (0.999, 7.992)])
def test_the_draw_is_the_place_within_the_window(draw, delay):
    assert full_jitter(3, base=2, cap=60, draw=draw) == pytest.approx(delay)


def test_no_number_of_tries_is_too_many():
    assert full_jitter(10_000, base=1, cap=600, draw=0.5) == 300.0


def test_without_a_base_there_is_no_delay():
    assert full_jitter(5, base=0, cap=600, draw=0.9) == 0.0
