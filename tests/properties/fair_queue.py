"""A fair queue in virtual time: keys, arrivals, run times, slots; who waited how long. Seeds, no clock, no engine."""

import heapq
import random
from collections import Counter, defaultdict, deque

from forebay.flow.fair import Account, Common, Round, ended, usual, weight


class Simulated:
    """Workers that take what `flow.fair` gives them, as soon as a slot is free.

    Attributes:
        waits: seconds that each message waited, by lane. used: worker-seconds by lane.
        idle: worker-seconds in which a slot was free while something waited.
        longest: the most that any lane held at once. ended: how many.
    """

    def __init__(self, slots, weights=None):
        self.slots, self.weights = slots, weights or {}
        self.common, self.accounts = Common(clock=1e9), defaultdict(lambda: Account(turn=1e9))
        self.lines = defaultdict(deque)
        self.waits, self.used, self.idle, self.busy = defaultdict(list), Counter(), 0.0, 0
        self.most, self.now, self._n = Counter(), 0.0, 0
        self.events = []

    def arrive(self, at, lane, took):
        """A message of that run time comes in then."""
        self._n += 1
        heapq.heappush(self.events, (at, 0, self._n, lane, took))

    def run(self, until):
        while self.events and self.events[0][0] <= until:
            at, end, _, lane, took = heapq.heappop(self.events)
            waiting = any(self.lines.values())
            self.idle += (at - self.now) * (self.slots - self.busy) * waiting
            self.now = at
            if end:
                self._end(lane, took)
            else:
                self.lines[lane].append((at, took))
            if not self.events or self.events[0][0] > at:
                self._lease()
        return self

    def _end(self, lane, took):
        self.busy -= 1
        self.common = usual(self.common, [took])
        self.accounts[lane] = ended(self.accounts[lane], weight(lane, self.weights), 1, [took])

    def _lease(self):
        running = {lane: one for lane, one in self.accounts.items() if one.busy}
        waiting = {lane: self.accounts[lane] for lane, line in self.lines.items() if line}
        turns = Round(self.weights, self.common, self.now, self.slots, running=running, waiting=waiting)
        while self.busy < self.slots and (lane := turns.next()) is not None:
            came, took = self.lines[lane].popleft()
            turns.give(lane, more=bool(self.lines[lane]))
            self.busy += 1
            self.waits[lane].append(self.now - came)
            self.used[lane] += took
            self._n += 1
            heapq.heappush(self.events, (self.now + took, 1, self._n, lane, took))
            self.most[lane] = max(self.most[lane], turns.accounts[lane].busy)
        self.common = turns.common
        self.accounts.update(turns.accounts)


def tenants(seed, *, noisy, quiet=50, slots=16, until=30.0, took=0.02):
    """Quiet keys, one message a second each; and one that sends 100 times as much, of 10 times the run time."""
    draw, one = random.Random(seed), Simulated(slots)
    for n in range(quiet):
        at = draw.random()
        while at < until:
            one.arrive(at, f"|key:quiet-{n}", took * (0.5 + draw.random()))
            at += draw.expovariate(1.0)
    at = 0.0
    while noisy and at < until:
        one.arrive(at, "|key:noisy", 10 * took * (0.5 + draw.random()))
        at += draw.expovariate(100.0)
    return one.run(until)


def p99(waits):
    """Of all lanes that are not noisy."""
    found = sorted(wait for lane, some in waits.items() if "noisy" not in lane for wait in some)
    return found[int(len(found) * 0.99)]
