"""What becomes of a running message: one pure function from its outcome, and what stands around it, to its next state.

Every engine writes down what this says, so that causes, refunds, losses and what is kept are the same on all of them.
Does not say who may settle, and knows no storage.
"""

from collections.abc import Mapping

import msgspec

from forebay.model import lifecycle
from forebay.model.lifecycle import Move, State
from forebay.model.message import Failure
from forebay.model.outcome import (
    Ack,
    Cancel,
    DeadLetter,
    Discard,
    Expire,
    Lose,
    Outcome,
    Park,
    Release,
    Reroute,
    Retry,
    Snooze,
)

#: A message that lost this many workers is quarantined as dead.
QUARANTINE_AFTER = 3

#: Causes of ends that no outcome has words for.
SILENT = "its process ended or stopped answering"
EXPIRED = "waited past its time"
CANCELLED = "cancelled while waiting"
SHED = "shed for newer ones: its queue was full"


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a running message stands when its outcome comes.

    Attributes:
        asked: somebody asked it to stop.
        lost: workers lost under it before.
        newer: the id of another live message with its unique key (debounced) that has newer arguments, "" if none.
        shut: the lane that it is to be parked in, or its queue, is closed.
    """

    asked: bool = False
    lost: int = 0
    newer: str = ""
    shut: bool = False


class Ruling(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What to write down.

    Attributes:
        move: through the table of `model.lifecycle`. state: where it leads.
        refund: attempts handed back. lost: workers lost under it by now.
        due: when it is due, seconds since the epoch; None to leave that as it is. lane: where it waits; None likewise.
        cause: why it waits or ended. failure: the newest; None to keep the one before.
        queue: where it goes on, with which headers; None to stay where it is.
        known: False if nobody knew its task, None if nobody looked.
    """

    move: Move
    state: State
    refund: int = 0
    lost: int = 0
    due: float | None = None
    lane: str | None = None
    cause: str = ""
    failure: Failure | None = None
    known: bool | None = True
    queue: tuple[str, Mapping[str, str] | None] | None = None


def rule(outcome: Outcome, standing: Standing, now: float) -> Ruling:
    """What becomes of a running message at `now` (the store's clock)."""
    lost = standing.lost + isinstance(outcome, Lose)
    ending = _end(outcome) or _overtaken(outcome, standing)
    if ending is not None:
        move, cause, failure = ending
        state = lifecycle.move(State.RUNNING, move)
        return Ruling(move=move, state=state, lost=lost, cause=cause, failure=failure)
    move, due = _wait(outcome, standing, now)
    return Ruling(
        move=move,
        state=lifecycle.move(State.RUNNING, move),
        refund=int(outcome.move in lifecycle.REFUNDS),
        lost=lost,
        due=due,
        lane=outcome.lane if isinstance(outcome, Park) else None,
        cause=outcome.reason if isinstance(outcome, Park | Release | Reroute | Snooze) else "",
        queue=(outcome.queue, outcome.headers) if isinstance(outcome, Reroute) else None,
        failure=outcome.failure if isinstance(outcome, Retry) else None,
        known=_known(outcome),
    )


def _end(outcome: Outcome) -> tuple[Move, str, Failure | None] | None:
    """Move, cause and failure of an outcome that ends a message whatever stands around it."""
    match outcome:
        case Ack():
            return outcome.move, "", None
        case DeadLetter(cause, failure):
            return outcome.move, cause, failure
        case Discard(reason) | Cancel(reason):
            return outcome.move, reason, None
        case Expire():
            return outcome.move, EXPIRED, None
        case _:
            return None


def _overtaken(outcome: Outcome, standing: Standing) -> tuple[Move, str, Failure | None] | None:
    """The same for one that would run again, and must not."""
    failure = outcome.failure if isinstance(outcome, Retry) else None
    if standing.asked:  # who asked it to stop does not want to see it run again
        return Move.CANCEL, f"cancelled; {outcome.cause}" if isinstance(outcome, Lose) else "cancelled", failure
    if isinstance(outcome, Lose) and standing.lost + 1 >= QUARANTINE_AFTER:
        return Move.QUARANTINE, f"lost {standing.lost + 1} workers; the last one: {outcome.cause}", None
    if standing.newer:
        return Move.DISCARD, f"overtaken by {standing.newer}, which has newer arguments", failure
    return None


def _wait(outcome: Outcome, standing: Standing, now: float) -> tuple[Move, float | None]:
    """How one goes back to waiting, and when it is due."""
    match outcome:
        case Retry(delay=delay) | Snooze(delay=delay):
            return outcome.move, now + delay
        case Park(until=until, pause=pause, behind=behind) if (
            behind > 0 or not standing.shut
        ):  # its gate may have opened meanwhile: nobody would come to wake it
            return Move.SNOOZE, (until if until is not None and until > now else now + pause) + behind
        case Release(delay=delay) if delay > 0:
            return Move.SNOOZE, now + delay
        case _:
            return outcome.move, None


def _known(outcome: Outcome) -> bool | None:
    if isinstance(outcome, Release):
        return False if outcome.unknown else None
    return None if isinstance(outcome, Lose) else True
