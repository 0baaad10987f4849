"""Fair queues in virtual time: nobody starves, shares are by run time and weight, and what is free is used."""

import random
from itertools import pairwise

import pytest

from forebay.flow.fair import (
    GUESS,
    LATELY,
    Account,
    Common,
    Round,
    at_once,
    begun,
    ended,
    is_slow,
    joined,
    kept,
    needed,
    slots_of,
    usual,
)
from properties.fair_queue import Simulated, p99, tenants

SEEDS = 400


def story(seed):
    """Some keys with weights, run times and arrivals of their own."""
    draw = random.Random(seed)
    names = [f"|key:{n}" for n in range(draw.randint(1, 6))]
    one = Simulated(draw.randint(1, 9), {name[5:]: draw.choice([0.5, 1.0, 1.0, 2.0]) for name in names})
    for name in names:
        mean, at = draw.choice([0.005, 0.05, 0.5, 5.0]), 20 * draw.random()
        for _ in range(draw.randint(1, 25)):
            one.arrive(at, name, mean * (0.5 + draw.random()))
            at += draw.expovariate(1 / draw.choice([0.01, 0.2, 2.0]))
    return one


@pytest.mark.parametrize("part", range(4))
def test_everything_runs_and_no_slot_is_wasted_beyond_what_is_kept_free(part):
    for seed in range(part, SEEDS, 4):
        one = story(seed)
        came = len(one.events)
        while one.events:
            one.run(one.events[0][0])
            waiting = [lane for lane, line in one.lines.items() if line]
            kept = 0 if one.slots == 1 else max(1, one.slots // 2)
            assert not waiting or one.busy >= one.slots - kept, f"seed {seed}: slots are free and {waiting} wait"
        assert sum(map(len, one.waits.values())) == came, f"seed {seed}: not all have run"
        assert not any(account.busy or account.owed for account in one.accounts.values()), f"seed {seed}"


@pytest.mark.parametrize(("slots", "off"), [(1, 0.05), (3, 0.25)])
def test_who_always_has_something_to_do_gets_what_its_weight_says(slots, off):
    """Nearly, where that is a number of slots that is not whole: nobody has more at once than its share rounded up."""
    for seed in range(4):
        draw = random.Random(seed)
        weights = {f"{n}": draw.choice([1.0, 2.0, 4.0]) for n in range(4)}
        one, means = Simulated(slots, weights), {name: draw.choice([0.1, 0.2, 0.4]) for name in weights}
        for name, mean in means.items():
            for _ in range(int(150 * slots / mean)):
                one.arrive(0.0, f"|key:{name}", mean * (0.5 + draw.random()))
        one.run(150.0)
        per_weight = [one.used[f"|key:{name}"] / weight for name, weight in weights.items()]
        assert min(per_weight) > (1 - off) * max(per_weight), f"seed {seed}: {per_weight}"


@pytest.mark.parametrize("seed", range(5))
def test_a_noisy_key_costs_the_quiet_ones_next_to_nothing(seed):
    """100 times the messages and 10 times the run time; a quiet message takes 20 ms."""
    beside = tenants(seed, noisy=True, until=15.0)
    assert p99(beside.waits) < 0.01, f"seed {seed}"
    assert beside.used["|key:noisy"] > 0.55 * 15.0 * 16, f"seed {seed}: it may use what the others do not"


@pytest.mark.parametrize("seed", range(5))
def test_a_crowd_of_quiet_keys_that_needs_more_slots_at_once_has_them(seed):
    """Each of their runs takes 40 ms, so that two of them run at a time: more than a quarter of the slots, at times."""
    beside = tenants(seed, noisy=True, until=15.0, took=0.04)
    assert p99(beside.waits) < 0.015, f"seed {seed}"
    assert beside.used["|key:noisy"] > 0.5 * 15.0 * 16, f"seed {seed}"


@pytest.mark.parametrize("seed", range(5))
def test_a_few_quiet_keys_cost_a_noisy_one_little_more_than_a_quarter_of_the_slots(seed):
    beside = tenants(seed, noisy=True, quiet=3, until=30.0)
    assert p99(beside.waits) < 0.01, f"seed {seed}"
    assert beside.used["|key:noisy"] > 0.69 * 30.0 * 16, f"seed {seed}"


def test_what_others_need_is_what_all_but_a_few_of_their_starts_find():
    draw, need = random.Random(1), 0.0
    seen = []
    for _ in range(5_000):
        held = 1 + sum(draw.random() < 0.1 for _ in range(20))
        need = needed(need, held)
        seen.append(held > int(need) + 1)
    assert sum(seen[200:]) < 0.02 * len(seen)
    for _ in range(500):
        need = needed(need, 1)
    assert need < 2, "and it is forgotten when they need less"


def test_more_than_half_of_the_slots_is_kept_from_nobody():
    assert [kept(slots, 0.0) for slots in (2, 3, 4, 8, 16)] == [1, 1, 1, 2, 4]
    assert [kept(slots, 99.0) for slots in (2, 3, 4, 8, 16)] == [1, 1, 2, 4, 8]
    assert kept(16, 5.5) == 6


@pytest.mark.parametrize("seed", range(2))
def test_long_runs_cost_short_ones_next_to_nothing(seed):
    """One of a hundred runs for a minute, all others for 5 ms."""
    draw, one, at = random.Random(seed), Simulated(16), 0.0
    while at < 120.0:
        slow = draw.random() < 0.01
        one.arrive(at, "|task:noisy" if slow else "|task:fast", 60.0 if slow else 0.005)
        at += draw.expovariate(100.0)
    one.run(120.0)
    assert p99({"|task:fast": one.waits["|task:fast"][1_500:]}) < 0.005, f"seed {seed}"
    assert len(one.waits["|task:noisy"]) >= 12, f"seed {seed}: slow ones run as well"


def test_one_that_comes_waits_for_one_round_of_the_others_at_the_most():
    one = Simulated(4)
    for n in range(200):
        for _ in range(5):
            one.arrive(0.0, f"|key:{n}", 0.1)
    one.arrive(10.0, "|key:new", 0.1)
    one.run(12.0)
    assert one.waits["|key:new"][0] < 200 * 0.1 / 4


def test_the_usual_run_time_is_that_of_the_shorter_ones_and_follows_them():
    common = Common()
    for _ in range(300):
        common = usual(common, [60.0, 0.005, 0.005, 0.005])
    assert 0.002 < common.usual < 0.02
    for _ in range(300):
        common = usual(common, [1.0])
    assert 0.3 < common.usual < 3.0
    assert usual(common, []) is common


def test_a_lane_is_slow_by_what_it_took_lately_and_not_for_ever():
    common, account = Common(usual=0.01), Account()
    assert not is_slow(account, common), "nobody knows yet"
    seen = []
    for took in (5.0, *[0.01] * 60):
        account = ended(begun(account, common, 1.0), 1.0, 1, [took])
        seen.append(is_slow(account, common))
    assert (seen[0], seen[-1]) == (True, False)
    assert sum(one != other for one, other in pairwise(seen)) == 1


def test_what_was_charged_is_corrected_when_it_ends():
    common = Common(clock=100.0)
    account = begun(joined(Account(), common), common, 2.0)
    assert (account.turn, account.owed, account.busy) == (100.0 + GUESS / 2, GUESS, 1)
    after = ended(account, 2.0, 1, [3.0])
    assert (after.turn, after.owed, after.busy, after.mean) == (101.5, 0.0, 0, 3.0)
    assert ended(account, 2.0, 1, []).turn == pytest.approx(100.0), "it never ran: it owes nothing"
    assert ended(after, 2.0, 1, []) == after, "what was not counted leaves nothing behind"


def test_a_clock_that_was_set_keeps_no_slot_for_ever():
    for now in (1e6 - 3600, 1e6 + LATELY):
        common = Common(recent=(("|key:other", 1e6),))
        turns = Round({}, common, now, 4, running={}, waiting={"|key:a": Account()})
        for _ in range(4):
            assert turns.next() == "|key:a"
            turns.give("|key:a", more=True)


def test_a_worker_gets_nothing_ahead_of_its_slots_unless_all_that_runs_is_short():
    short, long, new = Account(busy=1, mean=0.005), Account(busy=1, mean=0.5), Account(busy=1)
    assert at_once(10, 8, 6, [short, short]) == 10
    assert at_once(10, 8, 6, [short, long]) == at_once(10, 8, 6, [new]) == 2
    assert at_once(10, 8, 9, [long]) == 0
    assert at_once(10, 0, 9, [long]) == 10, "it does not say how many it has"


def test_slots_that_nobody_tells_are_those_that_must_be_there():
    assert slots_of(0, [Account(busy=2), Account(busy=1)], 5) == 8
    assert slots_of(16, [Account(busy=2)], 5) == 16
