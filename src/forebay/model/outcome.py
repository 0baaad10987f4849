"""Fate as a value: the closed set of ways a delivery can end, and the settlement that carries one to the engine."""

from typing import ClassVar, Literal

import msgspec

from forebay.model.delivery import Delivery
from forebay.model.lifecycle import Move
from forebay.model.message import Failure

#: Why a provider makes a message wait: it does not answer; it asked to wait; the task has said that it is down.
Blame = Literal["", "outage", "throttle", "down"]
#: Seconds that a message waits which was parked in a lane that nobody has closed, and did not say for how long.
PAUSE = 1.0


class Ack(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Done. `result` is MessagePack; the record of the end is kept `keep` seconds, None for as long as others.

    With `holds` it goes on running, at most once: it keeps its slots until the same lease is settled once more
    (whatever the outcome: the slots are free then, and the answer is no), or its worker is lost.
    """

    move: ClassVar[Move] = Move.ACK
    result: bytes | None = None
    keep: float | None = None
    holds: bool = False


class Retry(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Failed, to be tried again in `delay` seconds."""

    move: ClassVar[Move] = Move.RETRY
    delay: float
    failure: Failure


class Snooze(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Not now: again in `delay` seconds, and the attempt does not count; `reason` is shown while it waits."""

    move: ClassVar[Move] = Move.SNOOZE
    delay: float
    reason: str = ""


class Park(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Wait in `lane` until its gate opens; the attempt does not count.

    With `until` (seconds since the epoch, the store's clock) the lane is closed until then, in the same step, by the
    holder "throttle". In a lane that nobody has closed it waits for `pause` seconds.

    Attributes:
        behind: seconds that it waits longer than that, so that others of its lane go first.
        provider: which one has made it wait, "" if none. blame: for what.
    """

    move: ClassVar[Move] = Move.PARK
    lane: str
    reason: str = ""
    until: float | None = None
    pause: float = PAUSE
    behind: float = 0.0
    provider: str = ""
    blame: Blame = ""


class Reroute(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Go on in another queue, as the same message with its history; the attempt does not count.

    It takes no room that it would have to be given: what is not new is never refused.

    Attributes:
        headers: those that it has from now on.
    """

    move: ClassVar[Move] = Move.REROUTE
    queue: str
    reason: str = ""
    headers: dict[str, str] | None = None


class DeadLetter(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Failed for good; kept with its story until somebody redrives or purges it."""

    move: ClassVar[Move] = Move.DEAD_LETTER
    cause: str
    failure: Failure | None = None


class Discard(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Dropped on purpose, with a reason."""

    move: ClassVar[Move] = Move.DISCARD
    reason: str


class Cancel(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Stopped because somebody asked."""

    move: ClassVar[Move] = Move.CANCEL
    reason: str = "cancelled"


class Expire(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Too late to be worth starting."""

    move: ClassVar[Move] = Move.EXPIRE


#: How the reason begins of what was handed back, or is dead, because no worker knew its task.
UNKNOWN_TASK = "unknown task"
#: How the reason begins of one that waits for a worker that knows its task.
NOT_KNOWN = "no worker here knows"
#: How the reason begins of one that its task has put off.
SNOOZED = "snooze for"
#: The type of the failure of a task that asked to be tried again.
ASKED = "forebay.Retry"


class Release(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Handed back unfinished, by a worker that leaves or cannot run it; the attempt does not count.

    Attributes:
        delay: seconds that it waits.
        reason: why, shown while it waits.
        unknown: nobody here knows its task; the delivery says since when that has been so.
    """

    move: ClassVar[Move] = Move.RELEASE
    delay: float = 0.0
    reason: str = ""
    unknown: bool = False


#: What frees the slots of one that was done before it ran (`Ack.holds`): its run has ended.
OVER = Release(reason="it runs at most once, and has ended")


class Lose(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The process that ran it died; counted as a lost worker, so ready again, or dead when that was the last one."""

    move: ClassVar[Move] = Move.LOSE
    cause: str


Outcome = Ack | Retry | Snooze | Park | Reroute | DeadLetter | Discard | Cancel | Expire | Release | Lose


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """An outcome on its way to the engine, with the lease it speaks for; `took` is the seconds that it ran."""

    delivery: Delivery
    outcome: Outcome
    took: float = 0.0

    @property
    def unspent(self) -> bool:
        """Whether nothing has started: then the rates that it passed get back what it took from them."""
        before = self.took <= 0 and isinstance(self.outcome, DeadLetter | Cancel | Discard | Park)  # a rule's, say
        return before or isinstance(self.outcome, Release | Reroute | Expire)


def describe(outcome: Outcome) -> str:
    """An outcome in one short line, for logs."""
    match outcome:
        case Ack():
            return "done"
        case Retry(delay, failure):
            why = f": {failure.message}" if failure.type == ASKED else f" after {failure}"
            return f"retry in {delay:.1f} s{why}"
        case Snooze() | Park() | Reroute():
            return outcome.reason or _usual(outcome)
        case Release(delay, reason) if reason:
            return f"handed back, for {delay:.1f} s: {reason}"
        case DeadLetter(text) | Discard(text) | Cancel(text) | Lose(text):
            return f"{outcome.move}: {text}"
        case _:
            return str(outcome.move)


def _usual(outcome: Snooze | Park | Reroute) -> str:
    match outcome:
        case Snooze(delay):
            return f"{SNOOZED} {delay:.1f} s"
        case Reroute(queue):
            return f"goes to queue {queue}"
        case _:
            return str(outcome.move)
