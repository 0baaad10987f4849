"""What can happen, as data: one struct for each thing that a process may write into the history.

Publishing and settling leave two events, one before the call and one after its answer, so that a process that dies in
between leaves the question without an answer. Times are the host's monotonic clock, which all its processes share.
"""

from collections.abc import Sequence

import msgspec

from forebay.model.outcome import Settlement


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened in process `pid` at `at` (monotonic seconds)."""

    at: float
    pid: int


class Item(msgspec.Struct, frozen=True):
    """A message as it was handed to `publish`; `digest` stands for its body."""

    id: str
    queue: str
    key: str | None = None
    digest: str = ""


class Publishing(Event, frozen=True):
    """About to publish. `call` pairs it with its answer, within one process."""

    call: int
    items: Sequence[Item]


class Published(Event, frozen=True):
    """The answer: the id that now stands for each message, and its fate."""

    call: int
    receipts: Sequence[tuple[str, str]]


class Unanswered(Event, frozen=True):
    """A call raised instead of answering, so what it did is not known."""

    call: int
    error: str


class Lease(msgspec.Struct, frozen=True):
    """One delivery as a worker got it."""

    id: str
    queue: str
    fence: int
    attempt: int
    lost: int = 0


class Leased(Event, frozen=True):
    """A worker got leases, by a call that began at `began`."""

    began: float
    worker: str
    leases: Sequence[Lease]


class Fate(msgspec.Struct, frozen=True):
    """One settlement: which message, under which fence, and by which move."""

    id: str
    fence: int
    move: str

    @classmethod
    def of(cls, settlement: Settlement) -> "Fate":
        """A settlement, shortened."""
        return cls(settlement.delivery.id, settlement.delivery.fence, str(settlement.outcome.move))


class Settling(Event, frozen=True):
    """About to settle. `call` pairs it with its answer, within one process."""

    call: int
    worker: str
    fates: Sequence[Fate]


class Settled(Event, frozen=True):
    """The answer: whether each was carried out."""

    call: int
    verdicts: Sequence[bool]


class Extended(Event, frozen=True):
    """A worker's lease was renewed (or not) for `lease` seconds, by a call that began at `began`."""

    began: float
    worker: str
    lease: float
    renewed: bool


class Recovered(Event, frozen=True):
    """Workers were buried by a call that began at `began`; `named` are those that the caller held for dead."""

    began: float
    named: Sequence[str]
    buried: Sequence[str]


class Started(Event, frozen=True):
    """Written by a task itself: its first act, under this fence."""

    id: str
    fence: int
    attempt: int
    digest: str = ""


class Ended(Event, frozen=True):
    """Written by a task itself: its effect, complete."""

    id: str
    fence: int


class Fault(Event, frozen=True):
    """Written by whoever breaks something, so that a timeline shows it."""

    name: str
    detail: str = ""


class Standing(msgspec.Struct, frozen=True):
    """Where a message is at the end; `state` is empty if the engine does not know it."""

    id: str
    state: str
    cause: str = ""


class Census(Event, frozen=True):
    """Every message that anybody tried to publish, after all faults have ended and the work has had time to drain."""

    standings: Sequence[Standing]


AnyEvent = (
    Publishing | Published | Unanswered | Leased | Settling | Settled
    | Extended | Recovered | Started | Ended | Fault | Census
)  # fmt: skip
