"""Fair queues, in memory: what each lane has had, and who is next. `flow.fair` decides; here it is remembered.

What a lease costs does not grow with the keys that wait or are idle: it looks at as many as it is asked for and a few.
"""

from collections.abc import Callable, Sequence
from itertools import count, islice

from forebay.engine.memory.line import Line
from forebay.flow.fair import (
    LATELY,
    PAGES,
    SPARE,
    Account,
    Common,
    Round,
    at_once,
    ended,
    joined,
    slots_of,
    usual,
    weight,
)
from forebay.model.queue import QueueSpec

#: Idle lanes that are looked at in one go for what may be forgotten.
_SWEEP = 64


class Shares:
    """The lanes of one fair queue: those in which something waits, in the order of their turns, and what each has had.

    Args:
        clock: where virtual time begins.
    """

    def __init__(self, spec: QueueSpec, clock: float) -> None:
        self._weights = dict(spec.weights)
        self._common = Common(clock=clock)
        self._accounts: dict[str, Account] = {}
        self._busy: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._idle: dict[str, float | None] = {}  # since when, as far as that was seen
        self._line, self._numbers = Line(), count()

    def weigh(self, spec: QueueSpec) -> None:
        """Weights from now on."""
        self._weights = dict(spec.weights)

    def wait(self, lane: str) -> None:
        """Something waits in a lane in which nothing did."""
        self._accounts[lane] = joined(self._accounts.get(lane, Account()), self._common)
        self._waiting[lane] = None
        self._idle.pop(lane, None)
        self._stand(lane)

    def gone(self, lane: str) -> None:
        """Nothing waits in it any more."""
        self._line.remove(lane)
        self._waiting.pop(lane, None)
        self._rest(lane)

    def at_once(self, asked: int, slots: int, held: int) -> int:
        """How many a worker with so many slots, that holds so many, may have of those that it asks for."""
        return at_once(asked, slots, held, self._of(self._busy).values())

    def share_out(self, asked: tuple[int, int], slots: int, now: float, start: Callable[[str], bool]) -> None:
        """Start messages by turns; `start` says whether one of a lane could.

        Args:
            asked: how many at the most; how many are asked for of all queues together.
        """
        looked: list[str] = []
        limit, others = asked[0], asked[1] - asked[0]
        while limit > 0 and len(looked) < PAGES * (limit + SPARE) and (page := self._page(limit + SPARE)):
            looked += page
            running, waiting = self._of(self._busy), self._of(page)
            there = slots_of(slots, running.values(), limit + others)
            turns = Round(self._weights, self._common, now, there, running=running, waiting=waiting)
            while limit > 0 and (lane := turns.next()) is not None:
                if start(lane):
                    limit -= 1
                    turns.give(lane, more=lane in self._waiting)
            self._keep(turns)
        for lane in [lane for lane in looked if lane in self._waiting]:
            self._stand(lane)
        self._forget(now)

    def why(self, lane: str, slots: int, now: float) -> str:
        """Why a lane in which something waits has to, though slots are free; "" if that is not why."""
        running = self._of(self._busy)
        there = slots_of(slots, running.values(), 0)
        waiting = self._of([lane])
        return Round(self._weights, self._common, now, there, running=running, waiting=waiting).why(lane)

    def _page(self, size: int) -> list[str]:
        """Those that are first, taken out of their line."""
        page: list[str] = []
        while len(page) < size and (first := self._line.head()) is not None:
            self._line.remove(first)
            page.append(first)
        return page

    def leave(self, lane: str, times: Sequence[float]) -> None:
        """One of a lane runs no more; its run time, if it ran."""
        self._common = usual(self._common, times)
        account = self._accounts.get(lane)
        if account is None or not account.busy:
            return
        after = self._accounts[lane] = ended(account, weight(lane, self._weights), 1, times)
        if not after.busy:
            self._busy.pop(lane, None)
        if lane in self._waiting:
            self._stand(lane)
        self._rest(lane)

    def _of(self, lanes: "dict[str, None] | list[str]") -> dict[str, Account]:
        return {lane: self._accounts[lane] for lane in lanes}

    def _stand(self, lane: str) -> None:
        self._line.add(lane, (self._accounts[lane].turn, next(self._numbers)))

    def _keep(self, one: Round) -> None:
        self._common = one.common
        self._accounts.update(one.accounts)
        for lane in [lane for lane, account in one.accounts.items() if account.busy]:
            self._busy[lane] = None
            self._idle.pop(lane, None)

    def _rest(self, lane: str) -> None:
        if lane not in self._waiting and lane not in self._busy and lane in self._accounts:
            self._idle[lane] = None

    def _forget(self, now: float) -> None:
        """What idle lanes owe is forgotten once all others have had as much, or after a while."""
        for lane, since in list(islice(self._idle.items(), _SWEEP)):
            self._idle[lane] = seen = now if since is None else since
            if self._accounts[lane].turn <= self._common.clock or abs(now - seen) > LATELY:
                del self._accounts[lane], self._idle[lane]
