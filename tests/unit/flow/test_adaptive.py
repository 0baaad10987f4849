"""How many tasks a worker runs at a time, if it finds that out by itself; against services in virtual time."""

import random

import pytest

from forebay.flow.adaptive import Adaptive, Seen, step

MOST = 100


def work(state, service, steps, most=MOST):
    """`service` says for how many at a time how long each takes, and whether it times out; what follows."""
    limits = []
    for _ in range(steps):
        seconds, late = service(state.slots)
        n = max(1, round(state.slots / seconds))
        state = step(state, most, {"call": Seen(n, n * seconds, n if late else 0)})
        limits.append(state.slots)
    return state, limits


def steady(slots):
    return 0.1, False


def bends(knee):
    """A service that does `knee` at a time; whoever comes beyond that waits."""
    return lambda slots: (0.1 * max(1.0, slots / knee), False)


def settled(most=MOST):
    return work(Adaptive(float(most)), steady, 20, most)[0]


def test_while_all_is_well_it_is_the_whole_of_it():
    assert settled().slots == MOST
    assert work(settled(1), steady, 5, 1)[1] == [1] * 5


def test_it_lowers_to_what_a_slower_service_does_at_about_the_usual_pace():
    _, limits = work(settled(), bends(10), 60)
    assert limits[10] < 50
    assert all(10 <= limit <= 40 for limit in limits[20:])


def test_it_is_back_within_ten_steps_when_that_is_over():
    lowered, _ = work(settled(), bends(2), 60)
    assert lowered.slots <= 10
    assert work(lowered, steady, 13)[0].slots == MOST


@pytest.mark.parametrize("most", [1, 2, 3, 100, 10_000])
def test_where_everything_times_out_it_goes_down_to_one(most):
    state, limits = work(settled(most), lambda _: (0.1, True), 60, most)
    assert limits == sorted(limits, reverse=True)
    assert state.slots == 1
    assert work(state, steady, 60, most)[0].slots == most


def test_a_single_timeout_is_no_overload():
    state = settled()
    assert step(state, MOST, {"call": Seen(100, 10.0, 1)}).slots == MOST
    assert step(state, MOST, {"call": Seen(3, 0.3, 1)}).slots == MOST
    assert step(state, MOST, {"call": Seen(20, 2.0, 2)}).slots < MOST


def test_work_that_has_become_more_is_usual_once_fewer_at_a_time_do_not_help():
    state, limits = work(settled(), lambda _: (0.5, False), 30)
    assert min(limits) >= MOST // 3
    assert state.slots == MOST
    assert state.usual["call"] == pytest.approx(0.5)


def test_slow_kinds_of_tasks_beside_fast_ones_are_no_overload():
    state = Adaptive(float(MOST))
    for number in range(60):
        seen = {"fast": Seen(1000, 5.0)} if number % 2 else {"fast": Seen(100, 0.5), "slow": Seen(20, 600.0)}
        state = step(state, MOST, seen)
        assert state.slots == MOST


def test_a_usual_time_is_not_forgotten_in_a_long_overload():
    state, _ = work(settled(), bends(10), 500)
    assert state.usual["call"] < 0.2


def test_with_nothing_to_do_it_comes_back():
    lowered, _ = work(settled(), bends(2), 60)
    for _ in range(20):
        lowered = step(lowered, MOST, {})
    assert lowered.slots == MOST


@pytest.mark.parametrize("seed", range(50))
def test_whatever_comes_it_stays_within_its_bounds(seed):
    draw = random.Random(seed)
    most = draw.choice([1, 2, 7, 100, 5000])
    state = Adaptive(float(most))
    for _ in range(200):
        names = draw.sample(["a", "b", "c"], draw.randint(0, 3))
        seen = {}
        for name in names:
            n = draw.randint(1, 1000)
            seen[name] = Seen(n, n * draw.choice([0.0, 1e-6, 0.01, 1.0, 1e5]) * draw.random(), draw.choice([0, 0, n]))
        state = step(state, most, seen)
        assert 1 <= state.slots <= most
        assert all(seconds >= 0 for seconds in state.usual.values())
    for _ in range(100):
        state = step(state, most, {})
    assert state.slots == most
