"""Between our values and SQLite's columns: the state numbers, and the statements by name."""

from functools import cache
from importlib import resources
from typing import Any

import msgspec

from forebay.model.delivery import Delivery
from forebay.model.lifecycle import State
from forebay.model.message import Failure

SCHEDULED, READY, RUNNING, PARKED = 0, 1, 2, 3

#: The number of a live state in the file is its place here.
LIVE_STATES = (State.SCHEDULED, State.READY, State.RUNNING, State.PARKED)

pack = msgspec.msgpack.Encoder().encode
_headers = msgspec.msgpack.Decoder(dict[str, str]).decode
_failure = msgspec.msgpack.Decoder(Failure).decode


@cache
def sql(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    return (resources.files(__package__) / "sql" / f"{name}.sql").read_text("utf-8")


def pack_or_none(value: Any) -> bytes | None:
    """MessagePack, or NULL for nothing."""
    return pack(value) if value else None


def headers(blob: bytes | None) -> dict[str, str] | None:
    """Headers as stored."""
    return _headers(blob) if blob else None


def failure(blob: bytes | None) -> Failure | None:
    """A failure as stored."""
    return _failure(blob) if blob else None


def delivery(row: tuple[Any, ...]) -> Delivery:
    """A delivery from the columns of `lease.sql` and `held.sql`, which are in the order of its fields."""
    if row[-1] is None:
        return Delivery(*row)
    return Delivery(*row[:-1], headers(row[-1]))
