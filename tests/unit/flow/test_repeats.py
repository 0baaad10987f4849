"""Of the calls of a provider only a share may be repeats, beside a few a second."""

import pytest

from forebay.flow.repeats import FLOOR, KEPT, LONGEST, Repeats


def repeated(share, rate, seconds, failing=1.0):
    """Repeats that were allowed within so many seconds, at `rate` calls a second of which a part fails."""
    repeats, due = Repeats(share, 0.0), []
    for number in range(int(rate * seconds)):
        at = number / rate
        repeats.called(at)
        if number % 1000 < failing * 1000:
            due.append(at + repeats.wait(at))
    return sum(one <= seconds for one in due)


def test_few_are_never_put_off():
    repeats = Repeats(0.2, 0.0)
    assert all(repeats.wait(number / FLOOR) == 0 for number in range(500))


def test_the_first_ones_are_not_either():
    repeats = Repeats(0.2, 0.0)
    waits = [repeats.wait(0.0) for _ in range(int(FLOOR * KEPT) + 1)]
    assert waits[-2:] == [0.0, pytest.approx(1 / FLOOR)]


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_of_many_calls_that_all_fail_a_share_is_repeated(share):
    rate, seconds = 500, 60
    most = (FLOOR + share * rate) * seconds + FLOOR * KEPT
    assert most / 3 < repeated(share, rate, seconds) <= most  # it is not known at once how many calls there are


def test_they_are_spread_over_time_and_none_is_put_off_for_ever():
    repeats = Repeats(0.0, 0.0)
    waits = [repeats.wait(0.0) for _ in range(2_000)]
    assert max(waits) == LONGEST
    assert repeats.wait(70.0) == 0.0


def test_a_clock_that_goes_back_gives_nothing():
    repeats = Repeats(0.0, 100.0)
    for _ in range(int(FLOOR * KEPT)):
        repeats.wait(100.0)
    assert repeats.wait(50.0) > 0
