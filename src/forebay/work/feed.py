"""Getting work: asks for what can start now, starts it, and asks again when room or news comes.

A feed has slots. What it holds beyond them is at most `flow.demand.LONGEST` seconds of recent work, called `buffered`,
and handed back if it is not started soon: no slow task keeps another one waiting here while other workers are free.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from forebay.engine.contract import Engine, Want
from forebay.engine.trouble import Trouble
from forebay.flow.demand import ahead, demand
from forebay.flow.portion import few_first
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineClosed, EngineError, SchemaTooNew, text_of
from forebay.model.outcome import Cancel
from forebay.work.ends import Ends
from forebay.work.feeding import Feeding
from forebay.work.run import Stop
from forebay.work.storetime import StoreTime

_logger = logging.getLogger("forebay.worker")
#: Seconds that a buffered message may wait for a slot before it is handed back.
STALE = 1.0
_PAUSE, _LONGEST = 0.1, 5.0
#: Seconds between two looks of a feed that shares its queues with another one, if there was nothing for it.
PACE = 0.02
NO_CAPS: Mapping[str, int] = MappingProxyType({})


#: Begins a delivery, and calls the given function once, when it has ended; never from within this call.
Begin = Callable[[Delivery, Callable[[], None]], None]


class Host(Protocol):
    """The worker that a feed serves: `ends` takes ends, `begin` begins messages; `time` the store's.

    Attributes:
        missed: told of a lease that failed, and may have taken something.
        feeding: gathers which queues tasks publish into; None: nobody does.
        orphaned: whether whoever it works for has ended; it begins nothing new then.
        ruled: whether a rule has something else done with a message than to run it: that is done then.
    """

    id: str
    ends: Ends
    begin: Begin
    ruled: Callable[[Delivery], bool]
    time: StoreTime
    missed: Callable[[], object]
    orphaned: Callable[[], bool]
    feeding: Feeding | None

    def idle(self) -> None:
        """Something that ran has ended."""
        ...

    def revoke(self, ids: Collection[str]) -> None:
        """Somebody wants these messages stopped that this worker holds."""
        ...

    def held(self) -> bool:
        """Whether something else (unsettled outcomes) forbids to lease now."""
        ...


class Plan(NamedTuple):
    """What a feed is about.

    Attributes:
        queues: from which it leases. slots: how many run at a time.
        caps: bounds by lane; 0 leaves a lane to another feed.
        elastic: its slots may become fewer, and more again.
    """

    queues: Sequence[str]
    slots: int
    caps: Mapping[str, int] = NO_CAPS
    elastic: bool = False


def begun(host: Host, leased: Sequence[Delivery]) -> Sequence[Delivery]:
    """What was leased, to be begun; none of it if whoever the worker works for has ended since it asked.

    Then others that worked for it hand back what they have, and it would go from one to the next, lost each time.
    """
    if not leased or not host.orphaned():
        return leased
    host.ends.hand_back(leased)
    return ()


class Feed:
    """Slots fed from some queues.

    Attributes:
        elastic: as its plan says.
        proved: when the engine last answered; monotonic.
        trouble: why the last lease failed; "" if it did not.
        asking: whether a lease is under way.
    """

    def __init__(self, engine: Engine, host: Host, plan: Plan) -> None:
        self._engine, self._host, self._queues, self._slots = engine, host, tuple(plan.queues), plan.slots
        self._caps, self.elastic = plan.caps, plan.elastic
        self._buffer: deque[Delivery] = deque()
        self._running = self._ended = self._news = 0
        self._room, self._waiting = asyncio.Event(), False  # whether somebody waits for it: ends are told in thousands
        self._wants = True  # as the engine was told last
        self._pace = _Pace()
        self.proved, self.trouble, self.asking = time.monotonic(), "", False

    @property
    def running(self) -> int:
        """Messages that have started and not ended."""
        return self._running

    def waits(self) -> list[str]:
        """The messages that have not started."""
        return [delivery.id for delivery in self._buffer]

    @property
    def buffered(self) -> int:
        """Messages that are leased and have not started."""
        return len(self._buffer)

    def resize(self, slots: int) -> None:
        """From now on so many run at a time; what runs already goes on."""
        self._slots = slots
        self._room.set()

    def free(self) -> None:
        """A slot is free: for the next one, or for room."""
        self._ended += 1
        if self._buffer and self._running <= self._slots:
            self._host.begin(self._buffer.popleft(), self.free)
            if len(self._buffer) * 2 > self._pace.ahead:
                return
        else:
            self._running -= 1
        if self._waiting:
            self._waiting = False
            self._room.set()

    async def run(self, poll: float) -> None:
        """Feed until cancelled."""
        pause, trouble = _PAUSE, Trouble(_logger)
        while True:
            want = (
                0
                if self._host.held()
                else demand(self._slots - self._running, len(self._buffer), self._pace.now(self._ended))
            )
            try:
                if want <= 0:
                    await self._wait_for_room()
                elif (got := await self._lease(want)) < want:
                    if not got and self._caps:
                        await asyncio.sleep(PACE)  # what comes may be for the other feed of these queues
                    await self._engine.wait(self._queues, poll, self._news)
                pause = _PAUSE
                trouble.over("leasing")
            except (EngineClosed, SchemaTooNew):
                raise  # for good: this worker cannot go on
            except EngineError as error:
                self.trouble = text_of(error)
                self._host.missed()
                trouble.tell("leasing", error, advice=f"trying again, at least every {_LONGEST:g} s")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)

    def revoke(self, ids: Collection[str]) -> None:
        """Cancel these, if they have not started."""
        for delivery in [delivery for delivery in self._buffer if delivery.id in ids]:
            self._buffer.remove(delivery)
            self._host.ends.settle(delivery, Cancel(str(Stop.CANCEL)))

    def drop(self) -> None:
        """Hand back what has not started."""
        if self._buffer:
            self._host.ends.hand_back(list(self._buffer))
            self._buffer.clear()

    async def _lease(self, want: int) -> int:
        """Up to so many messages; 0 tells the engine that there is room for none."""
        self.asking, asked = True, time.monotonic()
        try:
            leased = await self._engine.lease(Want(self._host.id, self._queues, want, self._caps))
        finally:
            self.asking = False
        self._wants = want > 0
        self.proved, self._news, self.trouble = time.monotonic(), leased.news, ""
        self._pace.took(self.proved - asked)
        self._host.time.heard(leased.now)
        if leased.cancelled:
            self._host.revoke(leased.cancelled)
        begin, free = self._host.begin, self.free
        for delivery in few_first(begun(self._host, leased.deliveries)):
            if self._running < self._slots:
                self._running += 1
                begin(delivery, free)
            else:
                self._buffer.append(delivery)
        return len(leased.deliveries)

    async def _wait_for_room(self) -> None:
        self._room.clear()
        self._waiting, ended = True, self._ended
        try:
            async with asyncio.timeout(STALE):  # wait_for may swallow a cancellation that comes with the room (3.11)
                await self._room.wait()
        except TimeoutError:
            self.proved = time.monotonic() if not self._host.held() else self.proved
            if self._ended == ended:  # so that nothing has begun either
                self.drop()
            if self._wants and not self._host.held():
                await self._lease(0)


class _Pace:
    """How fast work goes and leases are answered, lately, and how much may therefore be held ahead.

    Ends a second are a mean over the last tenth of a second or so, and what a lease takes is one of the last few.
    """

    WINDOW, FEW = 0.1, 4

    def __init__(self) -> None:
        self._before, self._start, self._rate, self._trip = 0, time.monotonic(), 0.0, 0.0
        self.ahead = 0

    def took(self, trip: float) -> None:
        """A lease was answered after so many seconds."""
        self._trip += (trip - self._trip) / self.FEW

    def now(self, ended: int) -> int:
        """What may be held ahead now; `ended`: how many have ended in all."""
        elapsed = time.monotonic() - self._start
        if elapsed >= self.WINDOW:
            self._rate = (ended - self._before) / elapsed
            self._before, self._start = ended, time.monotonic()
            self.ahead = ahead(self._rate, self._trip)
        return self.ahead
