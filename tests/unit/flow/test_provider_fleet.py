"""A provider goes away and comes back, in virtual time, with a fleet whose every step may come late or be lost.

No engine and no process: the pure functions, a row that is changed by compare-and-set, and a meter that counts what
runs. Each seed is another story; a failure names it.
"""

import os
import random

import pytest

from forebay.flow.breaker import advance, pause, slots
from forebay.model.provider import Call, Provider, Stand, Terms, Trip

#: Stories of each block; FOREBAY_PROPERTIES=1000 plays so many of each.
SEEDS = int(os.environ.get("FOREBAY_PROPERTIES", "") or 40)
STEP, OPEN_FOR, MAX_OPEN, PROBE, RAMP, BOUND = 0.05, 2.0, 8.0, 10.0, 2.0, 16
TERMS = Terms(concurrency=BOUND, breaker=Trip(open_for=OPEN_FOR, max_open=MAX_OPEN, probe_timeout=PROBE), ramp=RAMP)


class Worker:
    def __init__(self, rng):
        self.calls, self.next, self.seen = [], rng.random() * 0.2, None


class Fleet:
    """Some workers, one provider that is down for a while, and more work than fits."""

    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.now, self.row, self.generation = 0.0, Provider(name="p", terms=TERMS), 0
        self.meter, self.shut = BOUND, 0.0  # until when its lane is shut
        self.sent = False  # whether the probe has started
        self.workers = [Worker(rng) for _ in range(rng.randint(1, 5))]
        self.running = []  # (when it ends, when it began, whose it is, whether it is lost with its worker)
        self.down = (3.0, 3.0 + rng.choice([4.0, 15.0, 60.0]))
        self.takes = rng.choice([0.02, 0.3])
        self.hangs = rng.choice([None, 1.0, 9.0])  # seconds after which a call gives up while it is down
        self.began, self.done, self.most = [], [], 0

    def is_down(self, at):
        return self.down[0] <= at < self.down[1]

    def lease(self):
        while len(self.running) < self.meter and self.now >= self.shut and not self.sent:
            worker, ends = self.rng.choice(self.workers), self.now + self.takes * self.rng.uniform(0.5, 1.5)
            if self.is_down(self.now) and self.hangs:
                ends = self.now + self.hangs
            lost = self.rng.random() < 0.02
            self.began.append((self.now, self.row.stand))
            if self.row.stand is Stand.HALF_OPEN:
                assert not [run for run in self.running if run[1] >= self.row.since], "two probes at once"
                self.sent = True
            self.running.append((ends + (1.0 if lost else 0.0), self.now, worker, lost))

    def end(self):
        over = [run for run in self.running if run[0] <= self.now]
        self.running = [run for run in self.running if run[0] > self.now]
        for _, began, worker, lost in over:
            if lost:
                continue  # it was killed, and found a second later: its slot is free, and nobody has said anything
            ok = not self.is_down(began)
            worker.calls.append(Call(began, ok, reason="" if ok else "refused"))
            if ok:
                self.done.append(self.now)
            elif self.row.stand is Stand.HALF_OPEN:
                self.shut = self.now + pause(self.row)  # a probe that fails shuts the lane in the same step

    def govern(self, worker):
        """Read, and write what was read before: another may have been first."""
        if worker.seen is not None:
            generation, row, calls, sent = worker.seen
            worker.seen = None
            if generation == self.generation:
                after = advance(row, calls, self.now, self.rng.random(), len(self.running), sent=sent)
                self.generation += 1
                self.sent = self.sent and after.stand is Stand.HALF_OPEN and after.probes == row.probes
                self.row, self.meter = after, slots(after, self.now)
                worker.calls = worker.calls[len(calls) :]
        else:
            worker.seen = (self.generation, self.row, list(worker.calls), self.sent)
        worker.next = self.now + (0.05 if worker.seen else 0.2) * self.rng.uniform(0.8, 1.2)

    def run(self, until):
        while self.now < until:
            self.now += STEP
            self.end()
            for worker in self.workers:
                if worker.next <= self.now:
                    self.govern(worker)
            before = len(self.running)
            self.lease()
            if len(self.running) > before:
                assert len(self.running) <= self.meter
                assert self.row.stand is not Stand.OPEN


@pytest.mark.parametrize("block", range(4))
def test_it_is_left_alone_while_it_is_down_and_asked_by_and_by_when_it_is_back(block):
    for seed in range(block * SEEDS, block * SEEDS + SEEDS):
        fleet = Fleet(seed)
        start, back = fleet.down
        again = PROBE + MAX_OPEN * 1.1 if fleet.hangs else 0.0  # a probe that was killed, beside calls that hang
        fleet.run(back + MAX_OPEN * 1.1 + OPEN_FOR + RAMP + 6.0 + (fleet.hangs or 0.0) + again)
        about = f"seed {seed}"
        noticed = min(back, start + 2.0 + (fleet.hangs or 0.0))
        asked = [at for at, _ in fleet.began if noticed <= at < back]
        assert len(asked) <= 2 + (back - noticed) / (OPEN_FOR * 0.9), about
        assert fleet.row.stand is Stand.CLOSED, about
        assert fleet.meter == BOUND, about
        first = min(at for at, _ in fleet.began if at >= back)
        for later, most in ((0.0, 2), (RAMP / 8, 4)):
            if (
                fleet.takes > 0.2 and noticed < back
            ):  # what is asked in half of the first step is not more than its level
                assert sum(first <= at < first + later + STEP for at, _ in fleet.began) <= most, about
        goodput = sum(at >= fleet.now - 1.0 for at in fleet.done)
        assert goodput >= 0.5 * min(BOUND / STEP / 2, BOUND / fleet.takes), about
