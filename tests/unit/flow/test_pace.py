"""Tasks that feed a full queue go about as fast as it drains, and as fast as they can once it is down."""

import pytest

from forebay.flow.pace import FAST, LEAST, SLOW, STEPS, Drains, Pace, paces
from forebay.flow.pressure import Fed, Level, Marks
from forebay.model.topology import Feed

NOW = 1000.0
BOUND = Marks(high=90, low=70, most=100, age=None)
WHO = ("c", "third")


def fed(waiting, *more, over=False, queue="d"):
    feeds = [Feed("c", "third", False, "", NOW), *more]
    return Fed(queue, BOUND, waiting, over, feeds)


def rate(one, drains=None, before=None, now=NOW):
    found = paces([one], {"d": 10.0} if drains is None else drains, before or {}, now)
    return found.get(WHO)


def test_nobody_goes_at_a_pace_before_a_queue_was_over_its_mark():
    assert rate(fed(89)) is None
    assert rate(fed(95, over=True)).rate == pytest.approx(SLOW * 10.0)


@pytest.mark.parametrize(("waiting", "part"), [(80, 1.0), (75, 1.1), (85, 0.9), (100, SLOW), (36, FAST)])
def test_a_little_more_than_what_drains_where_there_is_room_and_a_little_less_where_there_is_not(waiting, part):
    before = {WHO: Pace(1.0, NOW, "d")}
    assert rate(fed(waiting), before=before).rate == pytest.approx(part * 10.0)


def test_what_changes_by_little_is_not_written_anew():
    before = Pace(10.0, NOW - 100, "d")
    assert rate(fed(80), {"d": 10.5}, {WHO: before}) is before
    assert rate(fed(80), {"d": 12.0}, {WHO: before}) == Pace(12.0, NOW, "d")


def test_several_who_feed_it_share_what_drains_and_a_consumer_has_its_gate_alone():
    other = Feed("x", "more", False, "", NOW)
    consumer = Feed("raw", "load", True, "", NOW)
    found = paces([fed(95, other, consumer, over=True)], {"d": 10.0}, {}, NOW)
    assert {who: pace.rate for who, pace in found.items()} == pytest.approx({WHO: SLOW * 5, ("x", "more"): SLOW * 5})


def test_who_feeds_two_goes_as_fast_as_the_slower_one():
    found = paces([fed(95, over=True), fed(95, over=True, queue="e")], {"d": 10.0, "e": 2.0}, {}, NOW)
    assert found[WHO] == Pace(pytest.approx(SLOW * 2), NOW, "e")


def test_where_nothing_drains_the_rate_is_low_and_not_nothing():
    assert rate(fed(95, over=True), {"d": 0.0}).rate == LEAST
    assert rate(fed(95, over=True), {}) is None  # nobody knows: its gate holds it


def test_once_the_queue_is_down_it_is_doubled_each_second_and_then_gone():
    pace, now = Pace(10.0, NOW, "d"), NOW
    for step in range(1, STEPS + 1):
        assert rate(fed(10), before={WHO: pace}, now=now + 0.5) is pace
        now += 1.0
        pace = rate(fed(10), before={WHO: pace}, now=now)
        assert (pace.rate, pace.eased) == (10.0 * 2**step, step)
    assert rate(fed(10), before={WHO: pace}, now=now + 1.0) is None


def test_a_rate_is_known_after_a_second_and_follows():
    drains, n, found = Drains(), 0, []
    for tick in range(60):
        n += 4 if tick < 30 else 1  # 20 a second, then 5
        found.append(drains.see({"d": Level(waiting=50, drained=n)}, tick * 0.2).get("d"))
    assert found[:5] == [None] * 5
    assert (found[20], found[-1]) == (pytest.approx(20.0), pytest.approx(5.0, rel=0.5))


def test_a_queue_that_runs_dry_does_not_say_how_fast_it_could_drain():
    drains, n = Drains(), 0
    for tick in range(50):
        n += tick % 2
        assert drains.see({"d": Level(waiting=1 - tick % 2, drained=n)}, tick * 0.2) == {}


def test_a_clock_that_was_set_back_and_a_store_that_was_emptied_begin_anew():
    drains = Drains()
    for at, n in ((0.0, 0), (10.0, 100)):
        drains.see({"d": Level(waiting=5, drained=n)}, at)
    assert drains.see({"d": Level(waiting=5, drained=110)}, 5.0) == {}
    assert drains.see({"d": Level(waiting=5, drained=3)}, 20.0) == {}
