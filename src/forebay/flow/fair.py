"""Whose turn it is in a fair queue: its keys share the workers by run time, and none of them takes all the slots.

Pure. Start-time fair queueing (Goyal, Vin, Cheng, 1996) over worker-seconds: each lane has a turn in virtual time that
moves on by expected run time and weight when one of its messages starts, and is corrected by what it took when that has
ended. Who comes back joins at the present virtual time: being idle saves nothing up. What runs cannot be taken back, so
some slots stay free for the others: of those that run beyond their share or far longer than usual, only so many run.
How many stay free of long runs follows what the others have needed at once: a crowd of them needs more than a few do.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from forebay.flow.lane import parts

#: Seconds that a run is expected to take where none has ended yet.
GUESS = 0.1
#: A lane is slow whose runs take so many times as long as the usual ones do, and so many seconds at the least.
SLOW, SHORT = 8.0, 0.02
#: One of so many slots stays free of slow lanes, and of what runs beyond its share; of two slots, one does.
PART = 4
#: If the others need more, one of so many stays free of slow lanes at the most. They need what they hold after a start,
#: but for one of so many starts.
HALF, SELDOM = 2, 50
#: Seconds for which slots stay free for a lane that does not run any more, and for which a debt is remembered.
LATELY = 60.0
#: Lanes that are remembered as having run lately.
RECENT = 8
#: Lanes that a lease looks at beyond those that it is asked for: some may give nothing; and how often it does so.
SPARE, PAGES = 16, 20
#: How much the newest run counts in the mean of its lane.
_NEWEST = 1 / 8
#: The part of runs that are shorter than the usual one, and how fast that follows them.
_PART_BELOW, _STEP = 0.2, 0.2
_ROUNDING = 1e-9
#: Why a slow lane waits, in the scheduler's own words.
SLOWLY = "it is slow, and the slots that slow ones may take are taken"


class Account(msgspec.Struct, frozen=True, gc=False):
    """What a lane has had.

    Attributes:
        turn: up to where, in virtual seconds.
        busy: how many of it run. owed: what it was charged for those, seconds.
        mean: run time of its attempts, lately; None if none has ended.
    """

    turn: float = 0.0
    busy: int = 0
    owed: float = 0.0
    mean: float | None = None


class Common(msgspec.Struct, frozen=True, gc=False):
    """What the lanes of a queue have in common.

    Attributes:
        clock: the virtual time.
        usual: a run time that four of five runs exceed; None if none has ended.
        recent: the lanes that had a turn last, and when, seconds since the epoch; the newest first.
        needed: slots that lanes which are not slow have needed at once.
    """

    clock: float = 0.0
    usual: float | None = None
    recent: tuple[tuple[str, float], ...] = ()
    needed: float = 0.0


def weight(lane: str, weights: Mapping[str, float]) -> float:
    """How much of the workers a lane gets, by the weights of keys, beside others that get 1."""
    key = parts(lane).key if weights else None
    return 1.0 if key is None else weights.get(key, 1.0)


def joined(account: Account, common: Common) -> Account:
    """A lane in which something waits again: what it has not used meanwhile is not kept for it."""
    return account if account.turn >= common.clock else replace(account, turn=common.clock)


def begun(account: Account, common: Common, share: float) -> Account:
    """One more of it starts; `share` is its weight."""
    expected = GUESS if common.usual is None else common.usual
    expected = expected if account.mean is None else account.mean
    turn = max(account.turn, common.clock) + expected / share
    return replace(account, turn=turn, busy=account.busy + 1, owed=account.owed + expected)


def ended(account: Account, share: float, n: int, times: Sequence[float]) -> Account:
    """`n` of it run no more; `times` are the seconds that they ran, of those that did."""
    n = min(n, account.busy)
    charged = account.owed * n / account.busy if account.busy else 0.0
    mean, busy = account.mean, account.busy - n
    if times:
        lately = sum(times) / len(times)
        mean = lately if mean is None else lately + (mean - lately) * (1 - _NEWEST) ** len(times)
    turn = account.turn + (sum(times) - charged) / share
    return Account(turn=turn, busy=busy, owed=account.owed - charged if busy else 0.0, mean=mean)


def usual(common: Common, times: Sequence[float]) -> Common:
    """With runs that have ended counted."""
    if not times:
        return common
    if common.usual is None:
        return replace(common, usual=max(min(times), _ROUNDING))
    below = sum(took < common.usual for took in times)
    step = max(-1.0, min(1.0, _STEP * (_PART_BELOW * len(times) - below)))
    return replace(common, usual=max(common.usual * math.exp(step), _ROUNDING))


def is_slow(account: Account, common: Common) -> bool:
    """Whether its runs take far longer than the usual ones."""
    mean = account.mean
    return mean is not None and common.usual is not None and mean >= max(SHORT, SLOW * common.usual)


def counted(account: Account, common: Common, share: int) -> int:
    """How many of its slots others may not take: none, if it is slow; else up to its share, and one while it is new."""
    return 0 if is_slow(account, common) else min(account.busy, 1 if account.mean is None else share)


def needed(before: float, held: int) -> float:
    """After a start of a lane that is not slow; `held`: slots that such lanes have now, as they are `counted`.

    So it comes to stand where one of `SELDOM` starts finds it exceeded, and is there after as few starts as it takes.
    """
    return before + 1 if held > before else max(0.0, before - 1 / SELDOM)


def kept(slots: int, need: float) -> int:
    """How many of so many slots stay free of slow lanes, where the others need so many."""
    return max(1, slots // PART, min(slots // HALF, int(need) + 1))


def slots_of(told: int, running: Iterable[Account], asked: int) -> int:
    """Slots of the workers of a queue, as they have told; if they have not, those that must be there."""
    return told if told > 0 else sum(one.busy for one in running) + asked


def at_once(asked: int, slots: int, held: int, running: Iterable[Account]) -> int:
    """Of what a worker asks for, what it may have: nothing ahead of its free slots, unless all that runs is short.

    Else what it holds would wait for its own long runs, while other workers are free.

    Args:
        slots: of this worker; 0 if it does not say. held: messages that it has already.
    """
    short = all(one.mean is not None and one.mean < SHORT for one in running)
    return asked if slots <= 0 or short else max(0, min(asked, slots - held))


class Round:
    """One lease from a fair queue: whose turn it is, one message after another.

    Args:
        slots: of all workers that serve the queue; see `slots_of`.
        running: lanes of which something runs. waiting: lanes of which something may start, some of either in both.

    Attributes:
        accounts: all of them, as they are after what was given.
        common: likewise.
    """

    def __init__(
        self, weights: Mapping[str, float], common: Common, now: float, slots: int, *,
        running: Mapping[str, Account], waiting: Mapping[str, Account],
    ) -> None:  # fmt: skip
        self.common, self._now, self._slots = common, now, max(1, slots)
        self.accounts = {**running, **{lane: joined(one, common) for lane, one in waiting.items()}}
        lately = {lane for lane, at in common.recent if -1.0 < now - at < LATELY}  # not: a clock that was set back
        self._weights = {lane: weight(lane, weights) for lane in lately | self.accounts.keys()}
        self._total = sum(self._weights.values())
        self._busy = sum(one.busy for one in running.values())
        self._slow = sum(one.busy for one in running.values() if is_slow(one, common))
        self._line = [(self.accounts[lane].turn, lane) for lane in waiting]
        heapq.heapify(self._line)
        alone = len(self._weights) == 1 or self._slots == 1
        self._most = 2**31 if alone else self._slots - max(1, self._slots // PART)
        self._most_slow = 2**31 if alone else self._slots - kept(self._slots, common.needed)
        self._held = sum(counted(one, common, self._share(lane)) for lane, one in running.items())

    @property
    def room(self) -> int:
        """How many more may start of slow lanes; very many, if nothing else is there."""
        return max(0, self._most_slow - self._slow)

    def why(self, lane: str) -> str:
        """Why a lane has to wait, though slots are free; "" if that is not why."""
        return SLOWLY if not self.room and is_slow(self.accounts[lane], self.common) else ""

    def next(self) -> str | None:
        """The lane whose turn it is; None if none may start anything."""
        while self._line:
            _, lane = heapq.heappop(self._line)
            if self._may(lane):
                return lane
        return None

    def give(self, lane: str, *, more: bool) -> None:
        """One of it starts; whether there are more."""
        before, common = self.accounts[lane], self.common
        self._busy += 1
        self._slow += is_slow(before, common)
        after = self.accounts[lane] = begun(before, common, self._weights[lane])
        recent = ((lane, self._now), *[one for one in common.recent if one[0] != lane])[:RECENT]
        need = self._needed(before, after, self._share(lane))
        self.common = replace(common, clock=max(common.clock, before.turn), recent=recent, needed=need)
        if more:
            heapq.heappush(self._line, (after.turn, lane))

    def _needed(self, before: Account, after: Account, share: int) -> float:
        """What lanes that are not slow need, now that one has started another."""
        common = self.common
        more = counted(after, common, share) - counted(before, common, share)
        self._held += more
        return needed(common.needed, self._held) if more else common.needed

    def _may(self, lane: str) -> bool:
        """Whether one more of it may start: of slow ones so many, and beyond its share only while others have room."""
        account = self.accounts[lane]
        if is_slow(account, self.common):
            return self._slow < self._most_slow
        return account.busy < self._share(lane) or self._busy < self._most

    def _share(self, lane: str) -> int:
        """Slots that are a lane's due, rounded up."""
        return max(1, math.ceil(self._slots * self._weights[lane] / self._total - _ROUNDING))
