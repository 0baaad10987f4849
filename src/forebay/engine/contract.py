"""What every engine does: ten verbs in batches, and the data that they take and give. Begin with `Engine`.

An engine owns durability, order, leases and fences. It promises what stands in the docstrings of `Engine` and of each
verb, and `forebay.testing.conformance` holds it to that. It does not know tasks, policies or processes. What it can do
is data, too: `engine.capabilities`. The state beside the messages has Protocols of its own: `store.contract`.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, Self

import msgspec

from forebay.engine.capabilities import Capabilities
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import Move
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import Declared, OnFull, QueueSpec

#: Seconds for which a message that was merged is known, so that a publish that is tried again merges nothing twice.
MERGED_FOR = 600.0


class Fate(StrEnum):
    """What became of one published message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    FULL = "full"
    MERGED = "merged"


class Full(msgspec.Struct, frozen=True, gc=False):
    """The queue that had no room for a message.

    Attributes:
        why: which of its limits it has reached, in words.
        on_full, patience: what it says of that; see `model.queue.Limit`.
        never: the message alone is larger than the queue may be: there is nothing to wait for.
        reserve: whether it keeps places for messages of a priority above 0.
        size: bytes that the bodies of what waits may have; None for no bound.
    """

    queue: str
    why: str
    on_full: OnFull
    patience: float
    never: bool = False
    reserve: bool = False
    size: int | None = None


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The answer to one published message.

    Attributes:
        id: the one that stands for it, an older one if it is a duplicate or was merged.
        retry_after: of one that there was no room for: seconds after which it may be worth trying again, if known.
        full: of one that its queue had no room for: which and why; None if the engine had none.
    """

    id: str
    fate: Fate = Fate.ACCEPTED
    retry_after: float | None = None
    full: Full | None = None


class Want(msgspec.Struct, frozen=True, gc=False):
    """What a worker could start now: at most `limit` messages from `queues`, asked in rotation from the first.

    Demand is a level. `limit=0` with queues: it has ended, and an engine that fetches ahead gives back what it has
    fetched; said once, when a worker is full. `limit=0` without queues only reads `Leased.cancelled`.

    `caps` are the worker's own bounds by lane, over all queues: at most so many from a lane of that name, none at 0.
    """

    worker: str
    queues: Sequence[str]
    limit: int
    caps: Mapping[str, int] = {}


class Leased(msgspec.Struct, frozen=True, gc=False):
    """What a worker got.

    Attributes:
        cancelled: messages that it already runs and that somebody asked to stop.
        news: how far the news had come when this look was taken; pass it to `wait` as `since`.
        now: when that was by the store's clock, seconds since the epoch; a worker measures from there.
    """

    deliveries: list[Delivery]
    cancelled: Sequence[str] = ()
    news: int = 0
    now: float = 0.0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat of one worker process; the first one registers it.

    Attributes:
        worker: an id made anew at every start of a process.
        lease: seconds from now that its leases hold without another beat.
        proved: seconds since its last round trip of `lease`; how honest liveness is known.
        host: where its pid means something; kept as it is, an engine makes up none.
        node: a name of that host for people.
        concurrency, most: how many it runs at a time now, and when all is well; 0 for the same.
        born: when its process started, as its host counts; with the pid it names one process for good. 0 if not known.
    """

    worker: str
    lease: float
    host: str = ""
    node: str = ""
    pid: int = 0
    born: int = 0
    queues: Sequence[str] = ()
    concurrency: int = 0
    most: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    proved: float = 0.0
    state: str = "running"
    rss: int = 0


class Recovered(msgspec.Struct, frozen=True):
    """What `recover` did.

    Attributes:
        workers: those that it buried.
        returned, quarantined: messages of theirs that went back, and that have lost too many workers by now.
        lost: the ids of both, sorted. What a worker has settled before it was buried is not among them.
    """

    workers: Sequence[str] = ()
    returned: int = 0
    quarantined: int = 0
    lost: Sequence[str] = ()

    @classmethod
    def of(cls, workers: Sequence[str], moves: Sequence[tuple[Move | None, str]]) -> Self:
        """From what became of each message, by id."""
        told = [move for move, _ in moves]
        lost = tuple(sorted(id_ for move, id_ in moves if move is Move.LOSE or move is Move.QUARANTINE))
        return cls(workers, told.count(Move.LOSE), told.count(Move.QUARANTINE), lost)


#: Lanes of a queue that its numbers list at most.
SHOWN_LANES = 100


class LaneDepth(msgspec.Struct, frozen=True, kw_only=True):
    """One lane in numbers; the main one, which is called "", stands for its queue: what it bounds holds up all lanes.

    Attributes:
        running: how many run of it; of the main lane: how many take a slot of the queue.
        go: when it may be looked at next, seconds since the epoch; None if nothing is ready, or it waits for a slot.
        why: why nothing is leased from it now, in words; "" if nothing is in the way.
    """

    lane: str
    ready: int = 0
    running: int = 0
    parked: int = 0
    go: float | None = None
    why: str = ""


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """One queue in numbers.

    Attributes:
        ready: what may be leased, now or as meters allow.
        parked: what is ready but for a closed gate: of its queue, task, key or lane; where keys are ordered, of what
            stands before it.
        age: seconds that the oldest ready message has waited, 0.0 if none.
        held: likewise, the oldest parked one.
        lanes: those that are special, at most `SHOWN_LANES`: the main one if its queue has a rate or slots and
            something waits in it, then all others, the deepest first.
        seconds: run time of all settled attempts together.
        limit: how many messages may wait in it (ready, parked and scheduled ones); None for all that come.
        limit_bytes, size: likewise, bytes of their bodies; and how many wait, counted only where they are bound.
        reserved: how many of `limit` are kept for messages of a priority above 0.
        full: since when publishes have found it full, seconds since the epoch; 0.0 if they do not.

    The totals count ends since the queue was made; a difference of two readings is a rate.
    """

    queue: str
    ready: int = 0
    scheduled: int = 0
    running: int = 0
    parked: int = 0
    dead: int = 0
    age: float = 0.0
    held: float = 0.0
    paused: bool = False
    lanes: Sequence[LaneDepth] = ()
    seconds: float = 0.0
    limit: int | None = None
    limit_bytes: int | None = None
    size: int = 0
    reserved: int = 0
    full: float = 0.0
    published: int = 0
    done: int = 0
    retried: int = 0
    died: int = 0
    cancelled: int = 0
    expired: int = 0
    discarded: int = 0


class Engine(Protocol):
    """Where messages wait. All times are the store's own clock. What holds for every verb:

    - It may be called from any thread and any loop, and driven by hand where there is none (`engine.waiting.drive`).
      The caller may be cancelled or interrupted at any step: that leaves nothing behind for whoever calls next.
    - Opening consumes nothing: consuming begins with the first lease. Whoever only publishes, looks or settles is never
      given a message.
    - A verb that was cancelled, or failed, may have happened, or happen still. What a worker then holds is what `held`
      of the store says.
    - Verbs of one worker are carried out in the order in which they were called.
    - Any process may extend, settle and recover in a worker's name: whoever knows worker and fence.
    - Each message is atomic, a batch need not be: all of it is durable when its verb returns; after an error any part
      may be. A publish that may have happened raises `OutcomeUnknown`, with the ids to publish again.
    - After a commit nothing may fail it: wake-ups, counters and marks come later, and what goes wrong there is logged.
    - A verb that an engine declares not to have raises `ConfigError`.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this engine has, known before it is opened."""
        ...

    async def open(self) -> None:
        """Connect, and bring the schema up to date. It may wait for a server; callers need not take turns.

        Raises:
            EngineUnreachable: nothing usable answers at the URL.
            SchemaTooNew: a newer Forebay wrote it.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go. Safe to call twice."""
        ...

    async def declare(self, queues: Sequence[QueueSpec]) -> list[Declared]:
        """Make queues known, or change what they are; what waits in them stays as it is. For each, what became of it.

        Publishing to an undeclared queue makes it known with its defaults. What is declared is carried out if
        `QueueSpec.holds`, for which the store keeps with each queue whether one that was not `mild` ever came.
        """
        ...

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """Accept messages durably, in order; a receipt each, in the same order.

        An id already known, live or ended within its retention, is a duplicate of itself; a `unique` key that a live
        message holds makes a duplicate of that one. Duplicates change nothing. With `debounce`, one that waits is
        changed instead (`Fate.MERGED`), and one that runs already is no obstacle: see `Message`. A merged id is known
        for `MERGED_FOR` seconds: published again it gets the same answer, and changes nothing.

        Where `Capabilities.dedupe` is "lease", a known id is accepted, and dropped when it would be leased.

        A queue that bounds what waits in it (`QueueSpec.bound`) takes what fits, in order, whoever else publishes at
        the same time; the others are `Fate.FULL`. What is not new is never refused: a message that is `carried`, a tick
        of a schedule, a retry, a redrive. What a running task has made may use a reserve (`flow.limit.reserve`).

        Raises:
            EngineFull: there is no room for any of them; where there is for some, the others are `Fate.FULL`.
            OutcomeUnknown: it was not confirmed.
        """
        ...

    async def lease(self, want: Want) -> Leased:
        """Give `want.worker` the right to run up to `want.limit` messages that are due, open and waiting.

        Lanes take turns, so that a long one starves nobody; within a lane by priority, then in order of acceptance. A
        closed gate yields nothing. A message past its time to live ends as expired when its turn comes.

        The attempt and the fence are counted up in the same step, before anything is returned: durable against a kill
        of any process at once, and against a loss of power that ends the worker as well within 50 ms, or with the next
        verb that is durable. See `Want` for `limit=0`.

        Raises:
            LeaseLost: the worker never beat, or its lease has run out.
        """
        ...

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """Renew, or register, one row per worker process; an answer each, in the same order.

        False: its lease ran out, or it was buried, and its id is spent. It must start under a new one.
        """
        ...

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Carry out the outcomes of messages that `worker` holds; an answer each, in the same order; durable on return.

        What becomes of a message is what `model.ruling.rule` says: its state, cause, refund and due time. True if so.
        False for each that it no longer holds at that fence: somebody else has it, or it ended. A worker whose lease
        ran out can settle nothing. Asked once more after an error, True also for what that earlier call carried out.
        """
        ...

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """Bury the workers named in `lost` and those whose lease ran out; make what they held ready again.

        So is what runs under a worker that the store does not know (any more).

        A message that has now lost `model.ruling.QUARANTINE_AFTER` workers becomes dead instead. Idempotent; any
        process may call.
        """
        ...

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """Return when something may be there to lease from `queues`, or to cancel, or after `timeout` seconds.

        `since` is the `Leased.news` of the caller's own last look: what came after that look is never slept through,
        whoever else has looked meanwhile. Without queues only cancellations count. May return early for nothing.
        """
        ...

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """Numbers per queue: of these, in this order, or of all by name; one that nobody made has zeros.

        Cheap at any backlog.
        """
        ...
