"""Whether a queue with a limit takes one more, and when it says that there is room again."""

import pytest

from forebay.flow.limit import (
    ENOUGH,
    FIRST,
    STEP,
    STUCK,
    Drain,
    Level,
    full_since,
    kept,
    never,
    noted,
    oldest,
    outlived,
    over,
    places,
    reserve,
    seen,
    surplus,
)
from forebay.model.queue import Limit

TEN = Limit(messages=10)


@pytest.mark.parametrize(
    ("n", "more", "fits"), [(9, 1, True), (10, 1, False), (0, 10, True), (0, 11, False), (12, 1, False)]
)
def test_as_many_as_the_limit_says(n, more, fits):
    assert (over(TEN, Level(n), n=more) == "") is fits


def test_what_running_tasks_make_has_a_reserve():
    assert [reserve(most) for most in (1, 1000, 1001, 10_000)] == [100, 100, 101, 1000]
    assert over(TEN, Level(109), child=True) == ""
    assert over(TEN, Level(110), child=True) == "110 messages wait, and limit=10"


@pytest.mark.parametrize(
    ("most", "share", "places_kept"),
    [(10, 0.2, 2), (100, 0.29, 29), (10, 0.25, 3), (2, 0.001, 1), (2, 0.999, 1), (1, 0.5, 0), (10, 0.0, 0)],
)
def test_a_share_is_kept_and_one_place_at_least_left(most, share, places_kept):
    assert kept(Limit(messages=most, reserve=share)) == places_kept


def test_only_a_priority_may_use_what_is_kept():
    limit = Limit(messages=10, reserve=0.2)
    assert [over(limit, Level(n)) == "" for n in (7, 8)] == [True, False]
    assert [over(limit, Level(n), priority=1) == "" for n in (9, 10)] == [True, False]
    assert over(limit, Level(50), child=True) == ""
    assert (places(limit, Level(9), priority=0), places(limit, Level(10), priority=1)) == (2, 1)


def drained(rate, seconds, drain=None, start=0.0):
    """Counted once a second, as publishes do."""
    for second in range(seconds + 1):
        drain = seen(drain, start + second, round(rate * (start + second)))
    return drain


@pytest.mark.parametrize("rate", [0.5, 1, 7, 100, 20_000])
@pytest.mark.parametrize("seconds", [10, 61, 300])
def test_at_a_steady_rate_it_is_right_within_a_factor_of_two(rate, seconds):
    drain = drained(rate, seconds)
    for n in (1, 50):
        assert n / rate / 2 <= drain.wait(n, seconds + 0.5, round(rate * (seconds + 0.5))) <= n / rate * 2


def test_a_rate_that_has_changed_is_followed_within_some_seconds():
    drain = drained(100, 60)
    slow, left = drain, 6000
    for second in range(61, 200):
        left += 5
        slow = seen(slow, second, left)
    assert 0.1 <= slow.wait(1, 200, left + 5) <= 0.4


def test_a_queue_that_is_suddenly_much_slower_is_known_within_seconds():
    drain = drained(100, 60)
    for second, left in ((61, 6001), (62, 6002), (63, 6003)):
        drain = seen(drain, second, left)
    assert 0.4 <= drain.wait(1, 64.0, 6004) <= 2.0
    assert drain.wait(1, 64.0, drain.last_n) >= 2.0  # and where nothing leaves any more


def test_where_nothing_leaves_it_waits_ever_longer():
    drain = Drain(100.0, 7, 100.0, 7)
    assert [drain.wait(1, now, 7) for now in (100.0, 100.5, 130.0, 1e6)] == [FIRST, FIRST, 30.0, STUCK]


def test_where_it_stood_still_before_the_newest_count_tells():
    night = Drain(0.0, 100, 10.0, 200)
    assert night.wait(1, 30_000.0, 200) > 60
    assert 0.1 <= night.seen(30_000.0, 220).wait(1, 30_002.0, 240) <= 0.2


def test_a_clock_that_was_set_back_begins_anew():
    drain = Drain(100.0, 50, 110.0, 90)
    assert drain.seen(50.0, 91) == Drain(50.0, 91, 50.0, 91)


def test_what_comes_back_makes_it_begin_anew_only_if_it_does_not_leave_again():
    drain = Drain(100.0, 50, 110.0, 90)
    assert drain.seen(120.0, 85) is drain
    assert drain.wait(1, 110.5, 85) == pytest.approx(0.3)
    assert drain.seen(170.0, 85) == Drain(170.0, 85, 170.0, 85)


@pytest.mark.parametrize("before", [0.5, 3, 20, 100])
@pytest.mark.parametrize("after", [0.5, 3, 20, 100])
@pytest.mark.parametrize("looks", [0.1, 1, 7])
def test_a_speed_that_has_changed_is_told_right_once_some_have_left(before, after, looks):
    drain, now, left, at = None, 0.0, 0.0, max(120.0, 40 / before)
    end = at + max(2 * STEP, 3 * looks, 2 * ENOUGH / after)
    while now < end:
        drain = seen(drain, now, int(left))
        now += looks
        left += looks * (before if now <= at else after)
    for n in (1, 10, 1000):
        assert n / after / 2 <= drain.wait(n, now, int(left)) <= n / after * 2


@pytest.mark.parametrize("n", [1, 100, 10_000])
@pytest.mark.parametrize("few", [0, 1, 5])
def test_what_has_stood_still_for_a_moment_is_not_told_hours(n, few):
    drain = drained(100, 60)
    for still in (1, 5, 20, 55):
        told = drain.wait(n, drain.last + still, drain.last_n + few)
        assert told <= 10 * still + 2 * n / 100
        assert told >= n / 100 / 2


def test_where_it_is_refused_for_its_age_so_many_have_to_leave_that_the_next_is_young_enough():
    limit = Limit(age=60.0)
    assert outlived(limit, Level(100, age=60.0), 0.1, 0.0) == 0
    assert outlived(limit, Level(100, age=70.0), 0.2, 0.0) in {20, 21}  # each is 0.7 s younger, and 0.2 s pass
    assert outlived(limit, Level(100, age=70.0), 0.7, 0.0) == 100  # it gets no younger until all have left
    assert outlived(limit, Level(100, age=70.0), 0.2, 50.0) == 100  # nothing has come lately
    assert outlived(TEN, Level(100, age=70.0), 0.2, 0.0) == 0


def test_what_running_tasks_make_waits_for_its_reserve_alone():
    assert [places(TEN, Level(n), 2, child=True) for n in (109, 110, 115)] == [2, 2, 7]
    assert [places(HEAVY, Level(10, size=size), 1, 20, child=True) for size in (101, 105, 150)] == [1, 1, 4]


def test_the_places_that_have_to_be_free_first():
    assert [places(TEN, Level(n), nth) for n, nth in ((10, 1), (10, 4), (13, 1), (8, 3))] == [1, 4, 4, 3]


HEAVY = Limit(size=100)


@pytest.mark.parametrize(("size", "more", "fits"), [(90, 10, True), (91, 10, False), (100, 0, True), (120, 0, False)])
def test_as_many_bytes_as_the_limit_says(size, more, fits):
    assert (over(HEAVY, Level(3, size=size), more) == "") is fits


@pytest.mark.parametrize(("size", "more", "fits"), [(95, 15, True), (105, 5, True), (105, 6, False), (100, 100, True)])
def test_what_running_tasks_make_has_a_tenth_of_the_bytes_or_one_message(size, more, fits):
    assert (over(HEAVY, Level(3, size=size), more, child=True) == "") is fits


def test_one_that_is_larger_than_all_of_it_never_fits():
    assert never(HEAVY, 100) == never(TEN, 10**9) == ""
    assert never(HEAVY, 101) == "the message has 101 bytes, more than limit_bytes=100: it never fits"


def test_as_many_have_to_leave_as_have_the_bytes_that_are_missing():
    assert [places(HEAVY, Level(10, size=100), 1, size) for size in (1, 10, 11, 50)] == [1, 1, 2, 5]
    assert places(Limit(size=100, messages=10), Level(10, size=50), 4, 20) == 4
    assert places(HEAVY, Level(0, size=0), 1, 100) == 1


def test_the_oldest_go_by_number_and_by_bytes():
    assert surplus(Limit(messages=2, size=100, on_full="shed_oldest"), Level(5, size=130)) == (3, 30)
    assert [oldest((10, 20, 30), n, size) for n, size in ((0, 0), (2, 0), (0, 11), (1, 31), (9, 0))] == [0, 2, 2, 3, 3]


def test_a_queue_is_full_by_its_bytes_until_a_tenth_of_them_is_free():
    full = noted(None, HEAVY, Level(3, size=95), 7.0, 10)
    assert full.full == 7.0
    assert full_since(HEAVY, full.full, Level(3, size=90)) == 7.0
    assert full_since(HEAVY, full.full, Level(3, size=89)) == 0.0
