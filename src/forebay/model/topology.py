"""Who feeds whom, as data: which task of which queue publishes into a queue, and how full that may become.

Edges come from what running tasks really publish, and nobody writes them by hand. `flow.pressure` judges by them. Times
are seconds since the epoch by the store's clock.
"""

import msgspec

#: Who holds the gates of stages that feed a queue which is over its mark.
PRESSURE = "pressure"
#: How the rows begin in which it is kept who feeds a queue.
ROW = "pressure:"


class Edge(msgspec.Struct, frozen=True, order=True):
    """Messages of a task of one queue put messages into another one.

    Attributes:
        source, task: whose they are; of a consumer of raw messages, its name.
        consumer: it is one, and takes all that its queue has.
        target, made: the queue that they publish into, and the task of what they publish there ("": raw messages).
    """

    source: str
    task: str
    consumer: bool
    target: str
    made: str = ""


class Feed(msgspec.Struct, frozen=True):
    """An edge as the row of its target has it; `last` is when it was used, to within a quarter of its life."""

    source: str
    task: str
    consumer: bool
    made: str
    last: float


class Mark(msgspec.Struct, frozen=True):
    """What was declared of a queue, beside the limit that its engine knows: from when on whoever feeds it is held.

    Attributes:
        messages: that wait. age: seconds that the oldest of them has waited.
        sheds: it takes whatever comes, and sheds the oldest: nobody has to be held for it.
    """

    messages: int | None = None
    age: float | None = None
    sheds: bool = False


class Over(msgspec.Struct, frozen=True):
    """A queue is over its mark: since when, and how many had left it by then, since ever."""

    since: float
    drained: int


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that others feed, as its row has it."""

    queue: str
    feeds: tuple[Feed, ...] = ()
    mark: Mark = Mark()
    over: Over | None = None
