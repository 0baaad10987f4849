"""The life of a message: one table of states and moves.

Owns: which move is legal in which state, and where it leads. Every engine obeys it, the picture in the docs is
generated from it, and an illegal move raises. Does not: say *who* may make a move (that is the fence's work).
"""

from enum import StrEnum

from forebay.model.errors import IllegalMove


class State(StrEnum):
    """Where a message is. The first four wait or run; the others are final."""

    SCHEDULED = "scheduled"
    READY = "ready"
    RUNNING = "running"
    PARKED = "parked"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DISCARDED = "discarded"


class Move(StrEnum):
    """What may happen to a message."""

    DUE = "due"
    LEASE = "lease"
    ACK = "ack"
    RETRY = "retry"
    SNOOZE = "snooze"
    PARK = "park"
    UNPARK = "unpark"
    DEAD_LETTER = "dead-letter"
    RELEASE = "release"
    REROUTE = "reroute"
    LOSE = "lose"
    QUARANTINE = "quarantine"
    CANCEL = "cancel"
    EXPIRE = "expire"
    DISCARD = "discard"
    REDRIVE = "redrive"
    MERGE = "merge"


_S, _M = State, Move

#: The one table. A pair that is not here is illegal.
TABLE: dict[tuple[State, Move], State] = {
    (_S.SCHEDULED, _M.DUE): _S.READY,
    (_S.SCHEDULED, _M.MERGE): _S.SCHEDULED,
    (_S.SCHEDULED, _M.CANCEL): _S.CANCELLED,
    (_S.SCHEDULED, _M.EXPIRE): _S.EXPIRED,
    (_S.SCHEDULED, _M.DISCARD): _S.DISCARDED,
    (_S.READY, _M.LEASE): _S.RUNNING,
    (_S.READY, _M.MERGE): _S.SCHEDULED,
    (_S.READY, _M.CANCEL): _S.CANCELLED,
    (_S.READY, _M.EXPIRE): _S.EXPIRED,
    (_S.READY, _M.DISCARD): _S.DISCARDED,
    (_S.PARKED, _M.UNPARK): _S.READY,
    (_S.PARKED, _M.CANCEL): _S.CANCELLED,
    (_S.PARKED, _M.EXPIRE): _S.EXPIRED,
    (_S.PARKED, _M.DISCARD): _S.DISCARDED,
    (_S.RUNNING, _M.ACK): _S.DONE,
    (_S.RUNNING, _M.RETRY): _S.SCHEDULED,
    (_S.RUNNING, _M.SNOOZE): _S.SCHEDULED,
    (_S.RUNNING, _M.PARK): _S.PARKED,
    (_S.RUNNING, _M.DEAD_LETTER): _S.DEAD,
    (_S.RUNNING, _M.RELEASE): _S.READY,
    (_S.RUNNING, _M.REROUTE): _S.READY,
    (_S.RUNNING, _M.LOSE): _S.READY,
    (_S.RUNNING, _M.QUARANTINE): _S.DEAD,
    (_S.RUNNING, _M.CANCEL): _S.CANCELLED,
    (_S.RUNNING, _M.EXPIRE): _S.EXPIRED,
    (_S.RUNNING, _M.DISCARD): _S.DISCARDED,
    (_S.DEAD, _M.REDRIVE): _S.READY,
    (_S.DEAD, _M.DISCARD): _S.DISCARDED,
}

#: States in which a message is still owed a run.
LIVE = frozenset({State.SCHEDULED, State.READY, State.RUNNING, State.PARKED})
#: States in which a message has ended; exactly one of them is its fate.
FINAL = frozenset(State) - LIVE
#: Moves that hand the attempt back: the handler was not at fault, so the attempt does not count.
REFUNDS = frozenset({Move.SNOOZE, Move.PARK, Move.RELEASE, Move.REROUTE})


def move(state: State, what: Move) -> State:
    """The state that `what` leads to from `state`.

    Raises:
        IllegalMove: the table has no such pair.
    """
    try:
        return TABLE[state, what]
    except KeyError:
        raise IllegalMove(f"a {state} message cannot {what}; see docs/reference/protocol.md") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram, for the protocol page."""
    lines = ["stateDiagram-v2", "    [*] --> ready : publish", "    [*] --> scheduled : publish with delay"]
    lines += [f"    {start} --> {end} : {what}" for (start, what), end in TABLE.items()]
    return "\n".join(lines)
