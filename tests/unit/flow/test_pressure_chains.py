"""Chains and nets of queues in virtual time: every bound holds, nothing that was done is refused, nobody is stuck.

No engine and no process: the pure functions, and a fleet whose governors look late, now and then not at all, and see
what was so a moment ago. Each seed is another story; a failure names it.
"""

import os
import random
from collections import Counter
from heapq import heappop, heappush
from itertools import pairwise

import pytest

from forebay.flow.limit import reserve
from forebay.flow.pace import Drains, paces
from forebay.flow.pressure import Level, judge
from forebay.model.topology import Feed, Stage

#: Stories of each block; FOREBAY_PROPERTIES=1000 plays so many of each.
SEEDS = int(os.environ.get("FOREBAY_PROPERTIES", "") or 10)
SOON, LATE = 0.05, 0.3


class Net:
    """Queues a to e, each fed by earlier ones, some by a later one as well; the last ones are slow."""

    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.now = 0.0
        names = "abcde"[: rng.randint(2, 5)]
        self.limits = {queue: rng.choice([2, 10, 20, 50]) for queue in names}
        self.takes = {queue: rng.choice([0.05, 0.1]) for queue in names}
        self.takes[names[-1]] = rng.choice([0.2, 0.5])
        self.slots = {queue: rng.randint(1, 8) for queue in names}
        self.edges = [*pairwise(names)]
        if len(names) > 3 and rng.random() < 0.4:
            self.edges.append((names[0], names[2]))
        self.rings = len(names) > 2 and rng.random() < 0.3
        if self.rings:  # now and then something goes back to be done again
            self.edges.append((names[2], names[1]))
        self.waiting, self.drained = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        self.ends, self.running = [], Counter()
        self.closed, self.rates, self.debt = {}, {}, {}
        self.stages = {queue: Stage(queue=queue) for _, queue in self.edges}
        self.drains = Drains()
        self.most, self.refused, self.turned_away, self.done = dict.fromkeys(names, 0), 0, 0, 0
        self.looks = 0.0

    def publish(self, queue, *, child):
        most = self.limits[queue] + (reserve(self.limits[queue]) if child else 0)
        if self.waiting[queue] >= most:
            return False
        self.waiting[queue] += 1
        self.most[queue] = max(self.most[queue], self.waiting[queue])
        return True

    def offer(self):
        while self.publish("a", child=False):
            pass
        self.turned_away += 1

    def end(self):
        while self.ends and self.ends[0][0] <= self.now:
            _, queue = heappop(self.ends)
            self.running[queue] -= 1
            targets = [target for source, target in self.edges if source == queue and (target > queue)]
            back = [target for source, target in self.edges if source == queue and target < queue]
            if back and self.rng.random() < 0.1:
                targets = back
            for target in targets:
                stage = self.stages[target]
                edge = Feed(queue, f"t{queue}", False, "", self.now)
                others = tuple(one for one in stage.feeds if one.source != queue)
                self.stages[target] = Stage(queue=target, feeds=(*others, edge), over=stage.over)
                self.refused += not self.publish(target, child=True)
            self.done += not targets

    def lease(self):
        for queue in self.waiting:
            while self.running[queue] < self.slots[queue] and self.waiting[queue] and self.may(queue):
                self.waiting[queue] -= 1
                self.drained[queue] += 1
                self.running[queue] += 1
                heappush(self.ends, (self.now + self.takes[queue] * self.rng.uniform(0.5, 1.5), queue))

    def may(self, queue):
        if self.closed.get(queue, 0.0) > self.now:
            return False
        pace = self.rates.get((queue, f"t{queue}"))
        if pace is None:
            return True
        if self.debt.get(queue, 0.0) > self.now + 0.1:
            return False
        self.debt[queue] = max(self.now, self.debt.get(queue, 0.0)) + 1 / pace.rate
        return True

    def look(self):
        levels = {
            queue: Level(n, 0, 0.0, self.drained[queue], self.limits[queue], self.slots[queue])
            for queue, n in self.waiting.items()
        }
        judged = judge([stage for stage in self.stages.values() if stage.feeds], levels, self.now)
        for queue, stage in self.stages.items():
            self.stages[queue] = Stage(queue=queue, feeds=stage.feeds, over=judged.over.get(queue))
        self.closed = {hold.queue: self.now + 10.0 for hold in judged.holds}
        self.rates = paces(judged.fed, self.drains.see(levels, self.now), self.rates, self.now)

    def run(self, until, *, offers):
        while self.now < until and (offers or self.left()):
            self.now = max(self.now + 0.01, min([self.looks, *(self.ends[0][:1] if self.ends else ())]))
            self.end()
            if offers:
                self.offer()
            self.lease()
            if self.looks <= self.now:
                self.look()
                self.looks = self.now + self.rng.uniform(SOON, LATE)

    def left(self):
        return sum(self.waiting.values()) + sum(self.running.values())


@pytest.mark.parametrize("block", range(4))
def test_bounds_hold_nothing_done_is_refused_and_all_of_it_ends(block):
    for seed in range(block * SEEDS, block * SEEDS + SEEDS):
        net, about = Net(seed), f"seed {seed}"
        net.run(8.0, offers=True)
        for queue, most in net.most.items():
            assert most <= net.limits[queue] + reserve(net.limits[queue]), about
        assert net.turned_away > 0, about
        assert net.rings or net.refused == 0, about
        before = net.done
        net.run(18.0, offers=True)
        assert net.done > before, f"{about}: stuck"
        capacity = min(net.slots[queue] / net.takes[queue] for queue in net.waiting)
        if not net.rings and len(net.edges) < len(net.waiting) and min(net.limits.values()) >= 20:
            assert net.done - before >= 0.6 * 10.0 * capacity, f"{about}: {net.done - before} of {10 * capacity:.0f}"
        net.run(60.0 + net.left(), offers=False)
        assert net.left() == 0, f"{about}: {net.waiting} are left"
