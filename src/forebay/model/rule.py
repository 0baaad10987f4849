"""A rule, which an operator gives without a deploy, as data: what it is about, what it does, and until when.

`flow.rule` reads its condition and judges by it; `forebay.rules` keeps it in the store and carries it out. Times are
seconds since the epoch by the store's clock.
"""

from enum import StrEnum

import msgspec

#: How the rows of rules are named in the store, and their meters; how the lane of a rule is.
ROW, METER, LANE = "rule:", "rule:", "rule."
#: How it is told who holds the gates of a rule; its name follows.
HOLDER = "rule "


def taken_back(holder: str) -> str:
    """The command that takes back the rule that holds a gate; "" if none does."""
    name = holder.removeprefix(HOLDER)
    return f"forebay rules remove {name}" if name != holder else ""


class Do(StrEnum):
    """What a rule does with a message, in the order in which they count: of several that match, the first is done.

    PAUSE: it waits until the rule is gone. DROP: it ends as discarded. REROUTE: it goes to another queue. THROTTLE: all
    that match pass one meter.
    """

    PAUSE = "pause"
    DROP = "drop"
    REROUTE = "reroute"
    THROTTLE = "throttle"


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule.

    Attributes:
        queue, task, key: what it is about; None for all.
        where: a condition besides, in the words of `flow.rule`; "" for none.
        to: of a reroute: the queue.
        rate: of a throttle: how many a second. concurrency: how many at a time.
        since, by: when it was added, and by whom. until: when it is over; None if somebody is to remove it.
        met: messages that it was carried out on. unread: those whose condition could not be judged, and that it left.
    """

    name: str
    do: Do
    queue: str | None = None
    task: str | None = None
    key: str | None = None
    where: str = ""
    to: str = ""
    rate: float | None = None
    concurrency: int | None = None
    reason: str = ""
    since: float = 0.0
    by: str = ""
    until: float | None = None
    met: int = 0
    unread: int = 0

    @property
    def holder(self) -> str:
        """Who holds its gates, as it is told to people."""
        return f"{HOLDER}{self.name}"

    @property
    def lane(self) -> str:
        """Where it has messages wait."""
        return f"{LANE}{self.name}"

    @property
    def meter(self) -> str:
        """What those pass that it slows down."""
        return f"{METER}{self.name}"

    @property
    def gated(self) -> bool:
        """Whether it is a pause that a gate alone carries out, so that nothing is leased."""
        return self.do is Do.PAUSE and not self.where and (self.task is None or self.key is None)

    def over(self, now: float) -> bool:
        """Whether its time has passed."""
        return self.until is not None and self.until <= now

    def why(self) -> str:
        """As it is told of what it was carried out on."""
        return f"{self.holder}: {self.reason}" if self.reason else self.holder


def rule_of(lane: str) -> str | None:
    """The name of the rule that a message waits for in this lane; None if none."""
    return lane.removeprefix(LANE) if lane.startswith(LANE) else None
