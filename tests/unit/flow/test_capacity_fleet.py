"""A provider whose capacity falls to a tenth and returns, in virtual time, asked by a fleet with more work than fits.

No engine and no process: the pure functions, a row that is changed by compare-and-set, and a meter that counts what
runs. Each seed is another story; a failure names it.
"""

import os
import random
from collections import Counter

import pytest
from msgspec.structs import replace

from forebay.flow.breaker import advance, slots
from forebay.model.provider import Call, Provider, Terms, Trip

#: Stories of each kind; FOREBAY_PROPERTIES=1000 plays so many of each.
SEEDS = int(os.environ.get("FOREBAY_PROPERTIES", "") or 5)
STEP, MOST, TIMEOUT, SLOW = 0.05, 50, 1.0, 0.6
FALLS, SETTLED, BACK, END = 10.0, 30.0, 60.0, 95.0


class Worker:
    def __init__(self, rng):
        self.calls, self.next, self.seen = [], rng.random() * 0.5, None


class Fleet:
    """Some workers and one provider, which minds being asked too much in its own way."""

    def __init__(self, seed, way, *, adaptive=True):
        self.rng = rng = random.Random(seed)
        self.way, self.full = way, rng.choice([30, 50, 80])
        breaker = rng.choice([None, Trip(slow=SLOW, open_for=2.0, max_open=8.0)]) if way != "slow" else Trip(slow=SLOW)
        self.now = 0.0
        self.row = Provider(name="p", terms=Terms(concurrency=MOST, breaker=breaker, adaptive=adaptive))
        self.generation, self.meter, self.writes = 0, MOST, 0
        self.workers = [Worker(rng) for _ in range(rng.randint(1, 5))]
        self.running, self.slots = [], []  # (when it ends, its call, whose it is); what the meter was at each step
        self.takes = rng.choice([0.1, 0.2])
        self.began, self.done, self.bad = Counter(), Counter(), Counter()  # by second

    @property
    def capacity(self):
        return self.full / 10 if FALLS <= self.now < BACK else self.full

    def lease(self):
        while len(self.running) < self.meter:
            worker, takes = self.rng.choice(self.workers), self.takes * self.rng.uniform(0.5, 1.5)
            call, self.began[int(self.now)] = Call(self.now, True), self.began[int(self.now)] + 1
            if len(self.running) + 1 > self.capacity:
                call, takes = self.minds(takes)
            self.running.append((self.now + takes, replace(call, took=takes), worker))

    def minds(self, takes):
        """What becomes of a call that is too much."""
        match self.way:
            case "429":
                return Call(self.now, False, reason="429", throttled=True), STEP
            case "429 with a time":
                return Call(self.now, None, until=self.now + 1, reason="429", throttled=True), STEP
            case "timeout":
                return Call(self.now, False, reason="no answer"), TIMEOUT
            case _:
                takes *= (len(self.running) + 1) / self.capacity
                return Call(self.now, True, slow=takes > SLOW), takes

    def end(self):
        over = [run for run in self.running if run[0] <= self.now]
        self.running = [run for run in self.running if run[0] > self.now]
        for _, call, worker in over:
            worker.calls.append(call)
            fine = call.ok and not call.slow
            (self.done if fine else self.bad)[int(self.now)] += 1
            if not fine:
                worker.next = min(worker.next, self.now + STEP)  # such a call wakes its governor

    def govern(self, worker):
        """Read, and write what was read before: another may have been first."""
        if worker.seen is not None:
            generation, row, calls = worker.seen
            worker.seen = None
            if generation == self.generation:
                after = advance(row, calls, self.now, self.rng.random(), len(self.running))
                self.writes += after != row
                self.generation += 1
                self.row, self.meter = after, slots(after, self.now)
                worker.calls = worker.calls[len(calls) :]
        else:
            worker.seen = (self.generation, self.row, list(worker.calls))
        worker.next = self.now + (0.05 if worker.seen else 0.4) * self.rng.uniform(0.8, 1.2)

    def run(self):
        while self.now < END:
            self.now += STEP
            self.end()
            for worker in self.workers:
                if worker.next <= self.now:
                    self.govern(worker)
            self.lease()
            self.slots.append((self.now, self.meter))

    def rate(self, counts, start, end):
        return sum(count for second, count in counts.items() if start <= second < end) / (end - start)


#: By how it minds: the least part of its lowered capacity that is used, for each call that is too much costs others.
WAYS = {"429": 0.55, "429 with a time": 0.5, "timeout": 0.2, "slow": 0.75}


@pytest.mark.parametrize("way", WAYS)
def test_what_falls_to_a_tenth_is_not_flooded_and_comes_back(way):
    for seed in range(SEEDS):
        fleet, about = Fleet(seed, way), f"seed {seed}"
        fleet.run()
        low, full = fleet.full / 10 / fleet.takes, min(fleet.full, MOST) / fleet.takes
        assert fleet.rate(fleet.done, SETTLED, BACK) >= WAYS[way] * low, about
        assert fleet.rate(fleet.bad, SETTLED, BACK) <= 8, about  # without `adaptive` it is hundreds a second
        assert all(fleet.rate(fleet.done, at, at + 10) > 0 for at in range(int(SETTLED), int(BACK), 10)), about
        if fleet.full >= MOST:
            assert fleet.rate(fleet.done, 85, END) >= 0.75 * full, about
            assert fleet.meter == MOST, about
        else:
            assert fleet.rate(fleet.done, 85, END) >= 0.5 * WAYS[way] * full, about
        assert max(meter for _, meter in fleet.slots) == MOST, about


@pytest.mark.parametrize("way", ["429", "timeout"])
def test_it_is_what_keeps_the_flood_away(way):
    """The same stories, with a fixed limit and no breaker: what the bound above is worth."""
    fleets = (Fleet(seed, way, adaptive=False) for seed in range(100))
    fleet = next(one for one in fleets if one.row.terms.breaker is None)
    fleet.run()
    assert fleet.meter == MOST
    assert fleet.rate(fleet.bad, SETTLED, BACK) > 20
