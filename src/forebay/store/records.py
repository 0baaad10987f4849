"""What the store is asked and what it answers, as data: messages, schedules, workers, lines of the audit.

The verbs are in `store.contract`. Times are seconds since the epoch, by the store's clock, and durations seconds.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from forebay.model.gate import OPERATOR, Gate
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.model.passage import Passage
from forebay.model.sealed import FIRED_BY


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one message, live or ended. Times are seconds since the epoch.

    Attributes:
        attempt: attempts so far. lost: workers lost under it.
        due: when it becomes ready (scheduled), else None.
        started: when its present lease began (running), else None.
        finished: when it ended, else None.
        cause: why it ended as it did, or why it waits.
        progress: MessagePack of the last `Context.progress()`.

    A message that has ended keeps its whole story but its body, which only a dead letter keeps: `due` is then when it
    was last due, if it ever was delayed, `started` and `worker` are of its last run.
    """

    id: str
    queue: str
    task: str
    state: State
    attempt: int = 0
    lost: int = 0
    priority: int = 0
    lane: str = ""
    key: str | None = None
    unique: str | None = None
    body: bytes = b""
    headers: dict[str, str] | None = None
    created: float | None = None
    due: float | None = None
    expires: float | None = None
    started: float | None = None
    finished: float | None = None
    worker: str | None = None
    result: bytes | None = None
    cause: str = ""
    failure: Failure | None = None
    progress: bytes | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages to list: newest last; `after` pages on from the id of the last one seen.

    Without a `state`, the live ones.
    """

    queue: str | None = None
    state: State | None = None
    task: str | None = None
    key: str | None = None
    unique: str | None = None
    after: str | None = None
    limit: int = 50


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages a verb for many means: those that match all that is given; all there are, if nothing is.

    Attributes:
        state: among the states that the verb is about, only this one.
    """

    ids: Sequence[str] | None = None
    queue: str | None = None
    task: str | None = None
    key: str | None = None
    state: State | None = None


class Steered(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a policy. `generation` grows with every change; a change that names an older one is refused."""

    name: str
    body: bytes
    generation: int = 0


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is published again and again. `next` and `last` are ticks in seconds since the epoch.

    Attributes:
        cron: when; five fields, or another form that `flow.cron` knows.
        message: the form of each tick's message; its id is made anew for each.
        missed: what becomes of ticks that nobody fired in time: "skip", "once" or "all".
        overlap: what becomes of a tick while the message of the one before is live: "allow", "skip" or "queue".
        next: 0 if it has to be found anew from the present time, without making up for what was missed.
        last: the newest tick that made a message.
        declared: when somebody last put it, which a worker does when it starts.
        flaw: what cannot be read of it, because it was not Forebay that wrote it; such a one cannot be fired.
    """

    name: str
    cron: str
    tz: str
    message: Message
    missed: str = "once"
    overlap: str = "allow"
    next: float = 0.0
    last: float | None = None
    paused: bool = False
    declared: float = 0.0
    flaw: str = ""

    def made(self, id_: str) -> Message:
        """A message of its form."""
        return replace(self.message, id=id_, headers={**(self.message.headers or {}), FIRED_BY: self.name})


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, to what, and when (seconds since the epoch). `seq` grows with each line."""

    seq: int
    at: float
    actor: str
    verb: str
    target: str
    detail: str = ""


#: What the audit calls an operator's closing of a gate.
PAUSE = "pause"


def paused_by(gate: Gate, newest: Iterable[AuditLine]) -> str:
    """Who holds a gate: of an operator's, who paused it last, as far as the audit tells; else its holder."""
    if gate.holder != OPERATOR or gate.lane is not None:
        return gate.holder
    return next((one.actor for one in newest if one.verb == PAUSE and one.target == gate.audited()), gate.holder)


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process as the store sees it. `left` is the seconds its lease still holds, below 0 when it ran out.

    `host` is where its pid means something (`Beat.host`), `node` a name of it for people; see `Beat.born`. `lease` is
    how many seconds each of its beats holds, 0 if it did not say: it may be set otherwise than with who looks.
    `concurrency` is how many it runs at a time now; `most` how many when all is well, 0 for the same (`--adaptive`).
    """

    worker: str
    host: str
    node: str = ""
    pid: int
    born: int = 0
    queues: Sequence[str]
    concurrency: int
    running: int
    done: int
    failed: int
    proved: float
    state: str
    rss: int
    started: float
    left: float
    lease: float = 0.0
    most: int = 0

    @property
    def slots(self) -> int:
        """How many it runs at a time when all is well."""
        return max(self.concurrency, self.most)


class Load(msgspec.Struct, frozen=True):
    """Messages that leave together; `after` is the place to go on from, None if nothing is left behind it."""

    passages: Sequence[Passage]
    after: int | None = None


class Route(msgspec.Struct, frozen=True):
    """A way from one store to another, as one of the two sees it.

    Attributes:
        about: where it leads, for people. aside: messages that have left, and may not have come there yet.
        marked: messages that have come from there, and may still stand aside there.
    """

    name: str
    about: str = ""
    aside: int = 0
    marked: int = 0
