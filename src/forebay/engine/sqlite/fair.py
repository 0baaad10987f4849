"""Leases from a fair queue, and what becomes of the turns of its lanes. `flow.fair` decides; here it is carried out.

A lane that may be looked at stands in the index of lanes where its turn is. So a lease looks at those that are first,
however many others wait. Slow ones for which there is no room wait by name, and are woken in their order.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.lane import Lane
from forebay.engine.sqlite.lanes import SPARE, WAKE, Turn
from forebay.engine.sqlite.passing import Head
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.shares import columns, common
from forebay.engine.sqlite.stirring import ANY
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.fair import Account, Round, at_once, is_slow, slots_of

#: What slow lanes wait for.
ROOM = "slow:"


class _Serves(msgspec.Struct):
    """Of a worker's beat: what it serves."""

    queues: tuple[str, ...] = ()
    concurrency: int = 0


_serves = msgspec.msgpack.Decoder(_Serves).decode


class FairTurn(Turn):
    """One lease from a fair queue."""

    def _wake(self) -> None:
        super()._wake()
        self._tx.db.execute(sql("fair_due"), (self._queue, self._tx.now, WAKE))
        self._common = common(self._tx, self._queue)
        found = self._tx.rows(sql("fair_busy"), (self._queue,))
        self._running = {lane: Account(*account) for lane, *account in found}
        self._weights = dict(self._told.spec.weights)
        self._serving = _serving(self._tx, self._queue)
        if self._tx.value("select 1 from lane where queue = ? and waits = ? limit 1", (self._queue, ROOM)):
            room = min(self._round({}, 0).room, WAKE)
            self._tx.db.execute(sql("wake_lanes"), (self._queue, ROOM, self._tx.now + ANY, room))

    def _slots_of(self, worker: str) -> int:
        return self._serving.get(worker, 0)

    def _round(self, waiting: Mapping[str, Account], asked: int) -> Round:
        slots = slots_of(sum(self._serving.values()), self._running.values(), asked)
        return Round(self._weights, self._common, self._tx.now, slots, running=self._running, waiting=waiting)

    def _choose(self, worker: str, limit: int, first: int) -> list[tuple[Any, ...]]:
        """By turns, and in their order; `first` says nothing here."""
        del first
        held = self._tx.value(sql("fair_held"), (worker,))
        limit = at_once(limit, self._slots_of(worker), held, self._running.values())
        if not limit:
            return []
        found: list[tuple[Any, ...]] = []
        for page in self._pages(limit + SPARE):
            for lane in [lane for lane in page if not lane.derived]:  # nothing belongs there: its turn comes elsewhere
                self._from(lane, self._line(lane, 1), 1)
            lanes = {lane.name: lane for lane in page if lane.derived}
            turns = self._round({name: lane.account for name, lane in lanes.items()}, self._asked - len(found))
            found += self._by_turns(worker, turns, lanes, limit - len(found))
            self._keep(turns, lanes)
            if len(found) >= limit or not self._own(1).n:
                break
        return found

    def _by_turns(self, worker: str, turns: Round, lanes: Mapping[str, Lane], left: int) -> list[tuple[Any, ...]]:
        lines, chosen = self._heads(list(lanes.values()), 1), list[int]()
        found: list[tuple[Any, ...]] = []
        while left and (name := turns.next()) is not None:
            lane = lanes[name]
            heads = self._next(lane, lines, left)
            if heads and not self._belongs(heads[0]):  # others of it are moved: what was chosen must not be met again
                found, chosen = found + self._lease(worker, chosen), []
            got = self._from(lane, heads, 1)
            if got:
                chosen += got
                left -= 1
                turns.give(name, more=lane.n > 0 and lane.waits is None and lane.go is not None and lane.go <= 0)
            elif not self._own(1).n:
                break
        return found + self._lease(worker, chosen)

    def _next(self, lane: Lane, lines: dict[str, list[Head]], left: int) -> list[Head]:
        """The first message of a lane that was not chosen yet."""
        line = lines[lane.name]
        if lane.taken and len(line) <= lane.taken:
            lines[lane.name] = line = self._line(lane, lane.taken + left)
        return line[lane.taken : lane.taken + 1]

    def _keep(self, turns: Round, lanes: Mapping[str, Lane]) -> None:
        """What a round has changed: turns, and which slow lanes wait for room."""
        self._common = turns.common
        for name, lane in lanes.items():
            account = turns.accounts[name]
            if lane.taken:
                lane.account = self._running[name] = account
            free = lane.n > 0 and lane.waits is None and lane.go is not None and lane.go <= 0
            if free and not turns.room and is_slow(account, turns.common):
                lane.say(None, ROOM)
            elif free and lane.taken:
                lane.say(account.turn + ANY)

    def _write_down(self) -> None:
        taken = [(self._queue, lane.name, *columns(lane.account)) for lane in self._seen.values() if lane.taken]
        super()._write_down()
        self._tx.db.executemany(sql("fair_keep"), taken)
        if taken:
            told = self._common.clock, rows.pack(self._common.recent), self._common.needed, self._queue
            self._tx.db.execute("update fair set clock = ?, recent = ?, needed = ? where queue = ?", told)


def _serving(tx: Transaction, queue: str) -> dict[str, int]:
    """Slots of the workers that serve a queue, as far as they say."""
    serving: dict[str, int] = {}
    found = tx.rows("select cast(id as blob), detail from worker where until > ? and state <> 'buried'", (tx.mono,))
    for name, detail in found:
        try:
            one = _serves(detail)
        except rows.FOREIGN:
            continue
        if queue in one.queues:
            serving[rows.text(name)] = one.concurrency
    return serving
