"""Leases from a queue that bounds something: lanes in turn, as far as their meters and gates let them.

A lane is in the file while it holds something, or its meter has to remember something; it is looked at when it may go
(`go`), and says what it waits for. So a lease costs what it looks at, however many lanes are empty, asleep or closed.
`flow.grant` and `flow.lane` decide; here it is carried out, for many lanes in a few statements.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apsw

from forebay.engine.gating import what_of
from forebay.engine.sqlite import limits, rows
from forebay.engine.sqlite.gates import closed
from forebay.engine.sqlite.lane import Lane, write
from forebay.engine.sqlite.passing import Head, Meters
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.stirring import ANY, OVER, stir
from forebay.engine.sqlite.taking import taken
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.grant import Grant, grant, set_back, through
from forebay.flow.lane import Split, is_over, key_lane, parts, place, shut
from forebay.model.gate import Gate
from forebay.model.meter import Meter

#: Messages that a lease moves at once to the lane where they wait from now on, and lanes that it wakes at once.
BITE, WAKE = 1_000, 1_000
#: Lanes looked at beyond those that are asked for: some may not give anything.
SPARE = 16
#: Lanes that are few enough to be asked one by one for several messages each.
FEW = 8
#: Times that one lease looks again, after it has moved messages to other lanes.
LOOKS = 3
#: Pages of lanes that one lease turns over, if it finds nothing in the first.
PAGES = 20


class Stands(NamedTuple):
    """How a queue stands before a lease: the columns of `standing.sql`."""

    gates: int
    charged: int
    metered: int
    waits: int
    over: int
    back: int


class Turn:
    """One lease from one queue.

    Args:
        caps: bounds of the worker by lane, as `Want.caps`; counted down.

    Attributes:
        again: when the meter of the queue lets more through, if it is what holds up more.
    """

    def __init__(self, tx: Transaction, queue: str, told: Split, caps: dict[str, int]) -> None:
        self._tx, self._queue, self._caps = tx, queue, caps
        self._told = told = limits.gathered(tx, queue, told)
        self._over = tx.now + OVER, OVER / 2  # empty lanes written down up to the first, from the second on
        self._stands = Stands(*tx.rows(sql("standing"), (queue, tx.now, *self._over))[0])
        self._gates: Sequence[Gate] = closed(tx, queue) if self._stands.gates else []
        self._meters = Meters(tx, queue, told, alone=not self._stands.metered)
        self._seen: dict[str, Lane] = {}
        self._moved, self._last, self._bite = False, False, LOOKS * BITE
        self._gone: list[str] = []
        self._asked = 0
        self._first: dict[str, Head] = {}  # what goes before all others of its lane: it has started before
        bare = told.keyed and not told.spec.fair and not (told.tasks or told.keys or told.named or told.metered)
        self._quick = bare and not self._gates and not caps
        self.again: float | None = None

    def take(self, worker: str, limit: int, first: int, asked: int) -> list[tuple[Any, ...]]:
        """Up to `limit` rows as `ready.sql` gives them.

        Args:
            first: says by its oddness which lanes come first.
            asked: what the whole lease may give still, of this queue and of others.
        """
        self._asked = asked
        if any(what_of(gate) == "" for gate in self._gates):
            return []
        if back := set_back(self._stands.charged / 1000, self._tx.now):
            limits.set_back(self._tx, back)
        if not (answer := self._own(limit)).n:
            self.again = answer.again
            return []
        self._wake()
        if self._stands.over:
            self._tx.db.execute(sql("let_go"), (self._queue, *self._over, WAKE))
        found: list[tuple[Any, ...]] = []
        for look in range(LOOKS):  # what was moved waits elsewhere by now, and may be had there
            self._moved, self._first, self._last = False, {}, look == LOOKS - 1
            found += self._choose(worker, limit - len(found), first)
            self._write_down()
            if not self._moved or len(found) == limit:
                break
        self._let_go()
        if len(found) < limit and not (answer := self._own(1)).n:
            self.again = answer.again
        return found

    def _lease(self, worker: str, chosen: Sequence[int]) -> list[tuple[Any, ...]]:
        if not chosen:
            return []
        found = self._tx.rows(sql("ready_rows"), (apsw.carray(array("q", chosen)),))
        return taken(self._tx, worker, self._queue, found)

    def _own(self, want: int) -> Grant:
        """What the meter of the queue says."""
        meter = self._meters.named(f"queue:{self._queue}")
        return Grant(want, 0.0, None) if meter is None else grant(meter, self._tx.now, want)

    def _wake(self) -> None:
        """Lanes that waited for a gate that is open, or for a meter that has room, may be looked at."""
        closed_now = {what_of(gate) for gate in self._gates}
        for (thing,) in self._tx.rows(sql("waits"), (self._queue,)) if self._stands.waits else ():
            kind, _, name = thing.partition(":")
            ready, again = 0 if kind == "gate" and name in closed_now else WAKE, None
            if kind == "meter" and (meter := self._meters.named(name)) is not None:
                answer = grant(meter, self._tx.now, WAKE)
                ready, again = answer.n, answer.again
            if ready:
                self._tx.db.execute(sql("wake_lanes"), (self._queue, thing, self._tx.now + ANY, ready))
            elif again is not None:  # the slot is free by now, and the rate is not
                self._tx.db.execute(sql("time_lane"), (self._queue, thing, again))

    def _choose(self, worker: str, limit: int, first: int) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        left = limit
        for page in self._pages(limit + SPARE):
            if not self._last and self._bring_back(page):
                break
            hungry = sorted(page, key=lambda lane: lane.derived is (first % 2 == 0))
            while hungry and left:
                share = -(-left // len(hungry)) if len(hungry) <= FEW else 1
                most = left + sum(not lane.derived for lane in hungry)  # which often hold nothing
                asked, hungry = hungry[:most], hungry[most:]
                heads = self._heads(asked, share)
                chosen: list[int] = []
                for lane in asked:
                    got = self._give(lane, heads[lane.name], min(share, left)) if left else []
                    chosen += got
                    left -= len(got)
                    if got and len(got) == share:
                        hungry.append(lane)
                if chosen:
                    found += self._lease(worker, chosen)
            if not left or not self._own(1).n:
                break
        return found

    def _pages(self, size: int) -> Iterator[list[Lane]]:
        """Lanes that may go, in their order; those that are empty are told to leave."""
        told = self._told
        named = told.by_key and not (told.spec.ordered or told.until)  # whether names say where all of a lane was put
        unwanted = [lane for lane, cap in self._caps.items() if cap <= 0 and named]
        for page in range(PAGES):
            values = (self._queue, self._tx.now, ANY, page * size, size, rows.many(unwanted) if unwanted else None)
            found = [Lane(*row) for row in self._tx.rows(sql("eligible"), values)]
            self._seen.update({lane.name: lane for lane in found})
            self._meters.kept.update({lane.name: (lane.running, lane.tat) for lane in found})
            for lane in [lane for lane in found if lane.derived and lane.n <= 0]:
                self._empty(lane)
            full = [lane for lane in found if not lane.derived or lane.n > 0]
            full = self._not_held(full) if self._told.spec.ordered else full
            yield [lane for lane in full if self._is_gathered(lane)] if self._told.until else full
            if len(found) < size:
                return
        self._tx.topics.add(QUEUE + self._queue)  # there are more to look at

    def _not_held(self, lanes: list[Lane]) -> list[Lane]:
        """Without those whose first message waits for a time, and lets nobody pass; of the others, who goes first."""
        names, held = rows.many(lane.name for lane in lanes), dict[str, float]()
        for *row, waits, due in self._tx.rows(sql("held_lanes"), (self._queue, names, self._tx.now)):
            head = Head(*row)
            if waits and head.lane not in self._first:
                held.setdefault(head.lane, due)
            elif head.lane not in held:
                self._first.setdefault(head.lane, head)
        for lane in lanes:
            if lane.name in held:
                lane.say(held[lane.name])
        return [lane for lane in lanes if lane.name not in held]

    def _is_gathered(self, lane: Lane) -> bool:
        """Whether its key has no older messages elsewhere, from before keys were told apart; those come here first."""
        key = parts(lane.name).key
        if key is None or lane.gathered >= self._told.until:
            return True
        ordered = self._told.spec.ordered
        values = (self._queue, key, self._told.until, key_lane(key), ordered, self._bite)
        found = [Head(*row) for row in self._tx.rows(sql("gather"), values)]
        if len(found) < self._bite:
            lane.gathered, lane.touched = self._told.until, True
        return not self._settle_in(found) and bool(self._bite)

    def _heads(self, lanes: Sequence[Lane], share: int) -> dict[str, list[Head]]:
        """The first messages of each lane, at most `share`; of lanes that give one each, all in one statement."""
        single = self._told.key_slots == 1
        alone = [lane.name for lane in lanes if lane.derived and (share == 1 or (single and key_lane("") in lane.name))]
        heads: dict[str, list[Head]] = {name: [] for name in alone}
        if alone:
            asked = sql("heads" if self._stands.back else "heads_fresh")
            for row in self._tx.rows(asked, (self._queue, self._tx.now, rows.many(alone))):
                heads[row[1]] = [self._first.get(row[1], Head(*row))]
        for lane in lanes:
            if lane.name not in heads:
                heads[lane.name] = self._line(lane, share)
        return heads

    def _line(self, lane: Lane, n: int) -> list[Head]:
        return [Head(*row) for row in self._tx.rows(sql("line"), (self._queue, self._tx.now, lane.name, n))]

    def _give(self, lane: Lane, heads: Sequence[Head], most: int) -> list[int]:
        """Some of a lane, by the shorter way if that is enough."""
        one = self._quick and len(heads) == 1 and lane.derived and lane.n > 0 and self._belongs(heads[0])
        return self._one(lane, heads[0]) if one else self._from(lane, heads, most)

    def _from(self, lane: Lane, heads: Sequence[Head], most: int) -> list[int]:
        """What this lane gives now; if that is less than it was asked for, it says why."""
        here = [head for head in heads if self._belongs(head)]
        if len(here) < len(heads):
            self._move(lane)
            here = [head for head in self._line(lane, most) if self._belongs(head)]
        elif not heads and lane.derived:
            self._recount(lane)
        if not here:
            return []
        own = parts(here[0].mine).lane
        cap, gate = self._caps.get(own, most), self._shut(here[0], own)
        if gate is not None or cap <= 0:
            if lane.derived and gate is not None:
                lane.say(None, f"gate:{what_of(gate)}")
            elif lane.derived:  # where another worker may have more of it, it stands behind the others
                lane.say_any(self._tx.now)
            return []
        n = self._through(lane, here[: min(most, cap)])
        if own in self._caps:
            self._caps[own] -= n
        return [head.seq for head in here[:n]]

    def _recount(self, lane: Lane) -> None:
        """Nothing in it may start, whatever was counted: all that is left there is too late, and about to end."""
        lane.give(lane.n - self._tx.value(sql("count_lane"), (self._queue, lane.name)))
        lane.say_any(self._tx.now)
        if lane.n <= 0:
            self._empty(lane)

    def _one(self, lane: Lane, head: Head) -> list[int]:
        """The only message asked for, where nothing but the meter of its key can be in the way; as `_through`."""
        meter, now = self._meters.key(head.key or ""), self._tx.now
        answer = grant(meter, now, 1, head.cost)
        if answer.n:
            self._meters.pay(meter.name, answer.tat)
            lane.give(1)
        if lane.n <= 0:
            self._empty(lane)
        elif answer.again is None:
            lane.say(None, f"key:{head.key}")
        else:
            lane.say(answer.again if answer.again > now else now + ANY)
        return [head.seq] if answer.n else []

    def _belongs(self, head: Head) -> bool:
        return place(head.mine, head.task, head.key, self._told) == head.lane

    def _shut(self, head: Head, own: str) -> Gate | None:
        return next((gate for gate in self._gates if shut(gate, self._queue, own, head.task, head.key)), None)

    def _through(self, lane: Lane, heads: Sequence[Head]) -> int:
        """How many pass all meters; those are charged. Then the lane says when it may be looked at again."""
        meters = self._meters.passed(heads[0])
        n, after = through(meters, self._tx.now, [head.cost for head in heads])
        if n:
            self._meters.charge(after)
        lane.give(n)
        if not lane.derived:
            return n
        if lane.n <= 0:
            self._empty(lane)
        else:
            if n and self._told.spec.ordered and heads[0].key is not None:  # the next of it may pass other meters
                after = [one for one in after if one.name == key_lane(heads[0].key)]
            refused = next(
                (one for one in after if not grant(one, self._tx.now, 1, heads[min(n, len(heads) - 1)].cost).n), None
            )
            self._say(lane, refused, heads[0])
        return n

    def _say(self, lane: Lane, refused: Meter | None, head: Head) -> None:
        """When a lane may go again that still holds something."""
        now = self._tx.now
        if refused is None or refused.name == f"queue:{self._queue}":
            lane.say_any(now)
            return
        again = grant(refused, now, 1, head.cost).again
        if again is not None:
            lane.say(max(again, now))
        elif head.key is not None and refused.name == key_lane(head.key):
            lane.say(None, f"key:{head.key}")
        else:
            lane.say(None, f"meter:{refused.name}")

    def _empty(self, lane: Lane) -> None:
        """Nothing is ready in it: it leaves, or stays for what its meter has to remember."""
        self._remember(lane)
        lane.say(lane.tat + OVER if lane.tat is not None and lane.tat > self._tx.now else None)

    def _remember(self, lane: Lane) -> None:
        """In the lane that is named after a key: the meter of that key."""
        if (meter := self._meters.in_lane(lane.name)) is not None:
            lane.tat = meter.tat if meter.rate else None
            lane.running = meter.running if self._told.key_slots is not None else 0

    def _bring_back(self, lanes: Sequence[Lane]) -> bool:
        """Whether lanes that are over held anything: it goes where it waits now, before later ones are chosen there."""
        for lane in [] if self._told.by_key else [lane for lane in lanes if lane.derived]:
            if is_over(lane.name, self._told):
                self._move(lane)
        return self._moved

    def _move(self, lane: Lane) -> None:
        """Messages at the front of a lane that wait elsewhere from now on go there; a bite of them at a time."""
        self._settle_in(self._line(lane, min(self._bite, BITE)))

    def _settle_in(self, heads: Sequence[Head]) -> bool:
        """Those of them that wait in another lane from now on go there; whether there were any."""
        moved, lanes = list[tuple[str, str | None, int]](), Counter[str]()
        for head in heads:
            there = place(head.mine, head.task, head.key, self._told)
            if there != head.lane:
                moved.append((there, None if there == head.mine else head.mine, head.seq))
                lanes.update({there: 1, head.lane: -1})
        if not moved:
            return False
        self._bite -= len(moved)
        self._tx.db.executemany("update message set lane = ?, home = ? where seq = ?", moved)
        stir(self._tx, self._queue, lanes)
        for name in lanes.keys() & self._seen.keys():
            self._seen[name].n += lanes[name]
            self._seen[name].say_any(self._tx.now)
        self._moved = True
        self._tx.topics.add(QUEUE + self._queue)  # more of them may stand in front, and they are elsewhere to be had
        return True

    def _write_down(self) -> None:
        """What this lease has changed: lanes, and what meters let through."""
        self._meters.write_down()
        if self._meters.charged:
            limits.charge(self._tx, self._stands.charged)
        written, gone = list[tuple[Any, ...]](), list[str]()
        for lane in [lane for lane in self._seen.values() if lane.touched]:
            self._remember(lane)
            if not lane.derived:
                stir(self._tx, self._queue, {lane.name: -lane.taken} if lane.taken else {})
            elif lane.n <= 0 and not lane.running and not lane.account.busy and (lane.tat or 0.0) <= self._tx.now:
                gone.append(lane.name)
            else:
                values = (lane.go, lane.waits, lane.tat, lane.running, lane.gathered)
                written.append((lane.name, -lane.taken, *values))
        write(self._tx, self._queue, written)
        if gone:
            self._tx.db.execute(sql("drop_lanes"), (self._queue, rows.many(gone)))
            self._gone += gone
        self._keep_meters({*gone, *[values[0] for values in written]})
        self._seen = {}

    def _keep_meters(self, kept: set[str]) -> None:
        """Those of keys, in the lanes that are named after them, whatever lane gave; but where that is done."""
        told = self._told
        for lane in self._meters.paid - kept:
            if (meter := self._meters.in_lane(lane)) is not None:
                tat = meter.tat if meter.rate else None
                running = meter.running if told.key_slots is not None else 0
                go = tat + OVER if tat is not None and tat > self._tx.now else None
                self._tx.db.execute(sql("keep_meter"), (self._queue, lane, go, tat, running))
        self._meters.paid.clear()

    def _let_go(self) -> None:
        """With the last lane of a task or key goes what told it apart."""
        told, some = self._told, [parts(name) for name in self._gone]
        if some and (told.plain or any(part.task in told.tasks or part.key in told.keys for part in some)):
            limits.forget(self._tx, self._queue)
