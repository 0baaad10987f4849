"""Between our values and PostgreSQL's columns: the numbers of states, MessagePack, and rows as what they tell."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from forebay.engine.texts import texts
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import FINAL, State
from forebay.model.message import Failure
from forebay.store.records import Found

SCHEDULED, READY, RUNNING = 0, 1, 2
#: The number of a live state in the table is its place here.
LIVE_STATES: tuple[State, ...] = (State.SCHEDULED, State.READY, State.RUNNING)

pack = msgspec.msgpack.Encoder().encode
_headers = msgspec.msgpack.Decoder(dict[str, str]).decode
_failure = msgspec.msgpack.Decoder(Failure).decode
#: What reading a blob raises that it was not Forebay that wrote.
FOREIGN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@cache
def statements() -> dict[str, str]:
    """All statements by name, read at once when an engine is made: a package may be replaced under a live process."""
    return texts(__name__, "sql", ".sql")


def pack_or_none(value: Any) -> bytes | None:
    """MessagePack, or NULL for nothing."""
    return pack(value) if value else None


def clean(text: str) -> str:
    """A text that says why; PostgreSQL stores no NUL."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def headers(blob: bytes | None) -> dict[str, str] | None:
    """Headers to look at: as stored, or none if somebody else wrote what stands there."""
    try:
        return _headers(blob) if blob else None
    except FOREIGN:
        return None


def failure(blob: bytes | None) -> Failure | None:
    """A failure to look at, as `headers`."""
    try:
        return _failure(blob) if blob else None
    except FOREIGN:
        return None


def delivery(row: Sequence[Any]) -> Delivery:
    """A delivery from the columns of the type `leased`, which are in the order of its fields."""
    values: tuple[Any, ...] = (*row[:13], headers(row[13]), row[14])
    return Delivery(*values)


def story(row: Sequence[Any]) -> Found:
    """From the columns of the view `story`, and whether a gate holds it."""
    id_, queue, task, stored, attempt, lost, priority, lane, key, unique, body, blob, created, due = row[:14]
    expires, started, worker, finished, result, cause, failed, progress, shut = row[14:]
    state = _state(stored, shut)
    if not _exists(stored):
        cause = f"its state is {stored!r}, which does not exist: none of ours wrote this row"
    return Found(
        id=id_, queue=queue, task=task, state=state, attempt=attempt, lost=lost, priority=priority, lane=lane, key=key,
        unique=unique, body=body or b"", headers=headers(blob), created=created,
        due=due if state is State.SCHEDULED or state in FINAL else None, expires=expires, started=started,
        worker=worker, finished=finished, result=result, cause="" if state is State.RUNNING else cause or "",
        failure=failure(failed), progress=progress,
    )  # fmt: skip


def live(number: int) -> State:
    """The live state of a number in the table; what has one that does not exist waits for somebody to correct it."""
    return LIVE_STATES[number] if 0 <= number < len(LIVE_STATES) else State.PARKED


def final(name: str) -> State:
    """The state of what has ended; what has one that does not exist is as good as dead."""
    return State(name) if name in FINAL else State.DEAD


def _is_number(stored: str) -> bool:
    return stored.removeprefix("-").isdecimal()


def _exists(stored: str) -> bool:
    return 0 <= int(stored) < len(LIVE_STATES) if _is_number(stored) else stored in FINAL


def _state(stored: str, shut: bool) -> State:
    """The state of a row; what is ready behind a closed gate is parked."""
    if not _is_number(stored):
        return final(stored)
    state = live(int(stored))
    return State.PARKED if shut and state is State.READY else state
