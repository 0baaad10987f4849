"""One message, one queue, one worker, as the memory engine remembers them. Plain data; no rule is written here."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from forebay.engine.contract import Beat
from forebay.engine.memory.fair import Shares
from forebay.engine.memory.line import Line
from forebay.flow.lane import Split, parts
from forebay.flow.limit import Drain, Level
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import FINAL, LIVE, Move, State
from forebay.model.message import Failure, Message
from forebay.model.queue import Limit, QueueSpec
from forebay.store.records import Found

#: States in which a message may be cancelled, or expire, at once.
WAITING = LIVE - {State.RUNNING}
#: Which total of its queue a move adds to.
TOTALS = {
    Move.ACK: "done",
    Move.RETRY: "retried",
    Move.DEAD_LETTER: "died",
    Move.QUARANTINE: "died",
    Move.CANCEL: "cancelled",
    Move.EXPIRE: "expired",
    Move.DISCARD: "discarded",
}


@dataclass(slots=True, eq=False)
class Record:
    """A message and all that happened to it.

    Attributes:
        receipt: its number in the order of acceptance.
        due: when it became, or becomes, ready, if it ever had to wait for a time.
        own: its lane and the meters it names (`flow.lane.own`); parking may change it. place: the lane it waits in.
        first: it has started in an ordered queue, and waits again: nothing of its lane goes before it.
        asked: it runs, and somebody asked it to stop.
        newest: its queue ran the newest first when it came: it goes before those that came before it.
        order: its number among the ends, 0 before.
        forget: when its end may be forgotten; None for a live or dead message.
    """

    message: Message
    receipt: int
    state: State
    created: float
    due: float | None
    expires: float | None
    own: str
    place: str = ""
    first: bool = False
    newest: bool = False
    fence: int = 0
    attempt: int = 0
    lost: int = 0
    worker: str = ""
    started: float | None = None
    asked: bool = False
    order: int = 0
    finished: float | None = None
    forget: float | None = None
    result: bytes | None = None
    cause: str = ""
    failure: Failure | None = None
    progress: bytes | None = None
    unknown_since: float | None = None

    @property
    def id(self) -> str:
        """The id its producer chose."""
        return self.message.id

    @property
    def lane(self) -> str:
        """The lane it was put into."""
        return parts(self.own).lane

    @property
    def turn(self) -> int:
        """Its place among those of its priority, the lowest first."""
        return -self.receipt if self.newest else self.receipt

    @property
    def since(self) -> float:
        """Since when it is ready, or was."""
        return self.created if self.due is None else self.due

    def delivery(self) -> Delivery:
        """It, as its worker gets it."""
        message = self.message
        return Delivery(
            receipt=self.receipt,
            id=message.id,
            queue=message.queue,
            task=message.task,
            body=message.body,
            fence=self.fence,
            attempt=self.attempt,
            lost=self.lost,
            created=self.created,
            expires=self.expires,
            priority=message.priority,
            lane=self.lane,
            key=message.key,
            headers=message.headers,
            unknown_since=self.unknown_since,
        )

    def found(self, shown: State) -> Found:
        """It, as an operator sees it, in the state `shown`; its body goes with its end, unless it is a dead letter."""
        message, ended = self.message, self.state in FINAL
        return Found(
            id=message.id,
            queue=message.queue,
            task=message.task,
            state=shown,
            attempt=self.attempt,
            lost=self.lost,
            priority=message.priority,
            lane=self.lane,
            key=message.key,
            unique=message.unique,
            body=b"" if ended and self.state is not State.DEAD else message.body,
            headers=message.headers,
            created=self.created,
            due=self.due if ended or self.state is State.SCHEDULED else None,
            expires=self.expires,
            started=self.started,
            finished=self.finished if ended else None,
            worker=self.worker or None,
            result=self.result,
            cause=self.cause,
            failure=self.failure,
            progress=self.progress,
        )


@dataclass(slots=True, eq=False)
class Queue:
    """A queue: what it tells apart, a line of ready messages per lane, the same by age, and its numbers.

    Attributes:
        firm: a worker has declared it.
        held: by key, messages that wait for a time and let nobody of their key pass, while the queue is ordered.
        seconds: run time of all settled attempts.
        shares: who has had how much of it, while it is fair.
        limit: what it holds at the most. drain: how fast it was seen to drain, where that is bound.
        size: bytes of the bodies of what waits.
    """

    spec: QueueSpec
    told: Split = field(default_factory=lambda: Split(QueueSpec(name="")))
    lines: dict[str, Line] = field(default_factory=dict[str, Line])
    records: dict[str, Record] = field(default_factory=dict[str, Record])
    ages: Line = field(default_factory=Line)
    held: dict[str | None, dict[str, Record]] = field(default_factory=dict[str | None, dict[str, Record]])
    count: Counter[State] = field(default_factory=Counter[State])
    total: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    firm: bool = False
    shares: Shares | None = None
    limit: Limit | None = None
    drain: Drain | None = None
    size: int = 0

    def level(self, now: float) -> Level:
        """What waits in it."""
        waiting, oldest = self.count[State.READY] + self.count[State.SCHEDULED], self.ages.first()
        age = 0.0 if oldest is None else max(0.0, now - oldest[0][0])
        return Level(waiting, self.total["published"] - waiting, self.size, age)

    def add(self, record: Record, place: str) -> None:
        """Let a ready message wait in a lane: what has started, then high priority, then in order of acceptance."""
        record.place = place
        if place not in self.lines:
            self.lines[place] = Line()
            if self.shares is not None:
                self.shares.wait(place)
        line = self.lines[place]
        first = record.first and self.spec.ordered
        line.add(record.id, (-math.inf if first else -record.message.priority, record.turn))
        self.ages.add(record.id, (record.since, record.receipt))
        self.records[record.id] = record

    def remove(self, record: Record) -> None:
        """Take a ready message out. An empty lane is forgotten: there may be one per key."""
        self.lines[record.place].remove(record.id)
        self.ages.remove(record.id)
        del self.records[record.id]
        if not self.lines[record.place]:
            del self.lines[record.place]
            if self.shares is not None:
                self.shares.gone(record.place)

    def share(self, now: float) -> None:
        """Whether it is fair, and by which weights, may be new."""
        if self.spec.fair and self.shares is not None:
            self.shares.weigh(self.spec)
        elif self.spec.fair:
            self.shares = Shares(self.spec, now)
            for lane in self.lines:
                self.shares.wait(lane)
        else:
            self.shares = None

    def sort(self, place: Callable[[Record], str]) -> None:
        """Let all that is ready wait where `place` says."""
        for record in list(self.records.values()):
            self.remove(record)
            self.add(record, place(record))

    def hold(self, record: Record) -> None:
        """Let nobody of its key pass a message that waits for a time."""
        self.held.setdefault(record.message.key, {})[record.id] = record

    def let_pass(self, record: Record) -> None:
        """It does not wait for a time any more."""
        others = self.held.get(record.message.key, {})
        if others.pop(record.id, None) is not None and not others:
            del self.held[record.message.key]

    def held_until(self, record: Record) -> float | None:
        """When one of its key is due that lets it not pass; None if there is none."""
        others = self.held.get(record.message.key) if self.spec.ordered else None
        if not others:
            return None
        first = min(others.values(), key=lambda one: one.receipt)
        return None if record.first and record.receipt < first.receipt else first.since


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process.

    Attributes:
        beat: its last one. until: when its lease ends, monotonic.
        holds: what it runs. asked: what of that is to stop.
        slots: what was done before it ran, and keeps its slots, by id and fence.
    """

    beat: Beat
    until: float
    started: float
    holds: dict[str, Record] = field(default_factory=dict[str, Record])
    asked: dict[str, None] = field(default_factory=dict[str, None])
    slots: dict[tuple[str, int], Record] = field(default_factory=dict[tuple[str, int], Record])
