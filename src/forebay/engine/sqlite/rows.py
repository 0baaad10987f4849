"""Between our values and SQLite's columns: the state numbers, and the statements by name."""

from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import apsw
import msgspec
from msgspec.structs import replace

from forebay.engine.texts import texts
from forebay.flow.lane import parts
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineError
from forebay.model.lifecycle import State
from forebay.model.message import Failure

#: Rows that are met one by one more quickly than together, for which SQLite makes a table each time.
FEW = 4

SCHEDULED, READY, RUNNING, PARKED = 0, 1, 2, 3

#: The number of a live state in the file is its place here; `live` reads it.
LIVE_STATES: tuple[State, ...] = (State.SCHEDULED, State.READY, State.RUNNING, State.PARKED)


def stored(state: State) -> int:
    """The number of a live state in the file; what is parked is ready there, in a lane that is closed (gates.py)."""
    return LIVE_STATES.index(State.READY if state is State.PARKED else state)


pack = msgspec.msgpack.Encoder().encode
_headers = msgspec.msgpack.Decoder(dict[str, str]).decode
_failure = msgspec.msgpack.Decoder(Failure).decode
#: What reading a blob raises that it was not Forebay that wrote.
FOREIGN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@cache
def statements() -> dict[str, str]:
    """All statements by name, read at once when a file is opened: a package may be replaced under a live process."""
    return texts(__name__, "sql", ".sql")


@cache
def sql(name: str) -> str:
    """The statement in `sql/<name>.sql`, without its remarks: whoever keeps it prepared reads its text each time."""
    return " ".join(line.partition("--")[0].strip() for line in statements()[name].splitlines()).strip()


def live(number: int) -> State:
    """The live state of a number in the file.

    Raises:
        EngineError: there is no such state.
    """
    if not 0 <= number < len(LIVE_STATES):
        raise EngineError(f"a message has state {number}, which does not exist: it was not Forebay that wrote it")
    return LIVE_STATES[number]


def text(blob: bytes | str | None) -> str:
    """A text that was read as bytes; what is no UTF-8 in it is escaped."""
    return blob if isinstance(blob, str) else (blob or b"").decode("utf-8", "backslashreplace")


def many(values: Iterable[str]) -> Any:
    """Texts for one binding, which a statement takes as `cast(value as text)`: an array of texts bears no NUL."""
    return apsw.carray(tuple([value.encode("utf-8", "replace") for value in values]) or (b"",))


def pack_or_none(value: Any) -> bytes | None:
    """MessagePack, or NULL for nothing."""
    return pack(value) if value else None


def decoded_headers(blob: bytes | None) -> dict[str, str] | None:
    """Headers as stored; whatever MessagePack raises, if they are none."""
    return _headers(blob) if blob else None


def headers(blob: bytes | None) -> dict[str, str] | None:
    """Headers to look at: as stored, or none if somebody else wrote what stands there."""
    try:
        return decoded_headers(blob)
    except FOREIGN:
        return None


def failure(blob: bytes | None) -> Failure | None:
    """A failure to look at, as `headers`."""
    try:
        return _failure(blob) if blob else None
    except FOREIGN:
        return None


def delivery(row: Sequence[Any]) -> Delivery:
    """A delivery from the columns of `ready.sql` and `held.sql`, which are in the order of its fields."""
    made = Delivery(*row)
    if "|" in made.lane:
        made = replace(made, lane=parts(made.lane).lane)
    return made if made.headers is None else replace(made, headers=decoded_headers(row[13]))


#: Bits of a fence, and of a row's number, in one number of `leases`.
_FENCE, _ROW = 20, 43


class Leases(NamedTuple):
    """The leases of a batch: row and fence in one number `each`, for `apsw.carray`.

    Attributes:
        span: first row, last row and fence, if the rows follow each other under one fence: SQLite walks along such
            rows, as those of one queue mostly are, where it has to look for each of others.
    """

    each: "array[int]"
    span: tuple[int, int, int] | None


def leases(deliveries: Sequence[Delivery]) -> Leases | None:
    """The leases of a batch; None if one of them does not fit."""
    receipts, fences = [delivery.receipt for delivery in deliveries], [delivery.fence for delivery in deliveries]
    if max(fences) >> _FENCE or max(receipts) >> _ROW or min(fences) < 0 or min(receipts) < 0:
        return None
    each = array("q", [receipt << _FENCE | fence for receipt, fence in zip(receipts, fences, strict=True)])
    first, last = receipts[0], receipts[-1]
    together = receipts == list(range(first, last + 1)) and fences.count(fences[0]) == len(fences)
    return Leases(each, (first, last, fences[0]) if together else None)
