"""Messages and readings as plain data: bytes decoded to the values they stand for.

Field names are those of the records themselves, such as `store.records.Found`, and stay as they are.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

import msgspec

from forebay.model.sealed import describe
from forebay.model.wire import unpack
from forebay.observe.snapshot import Rates, Snapshot
from forebay.store.records import Found, Schedule

#: Values nested deeper than this are shown as text.
_DEEPEST = 100
#: Kinds whose text says all.
_TEXTS = (time, timedelta, Decimal, UUID, PurePath)


def decoded(blob: bytes | None) -> Any:
    """The value of a body or result; a sealed one as `{"sealed": how}`, one that is not MessagePack as `{"base64": …}`,
    so that looking never fails.
    """
    if not blob:
        return None
    try:
        return unpack(blob)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        how = describe(blob)
        return {"base64": base64.b64encode(blob).decode()} if how is None else {"sealed": how}


def message(found: Found) -> dict[str, Any]:
    """A message with body, result and progress as values."""
    fields = msgspec.structs.asdict(found)
    for name in ("body", "result", "progress"):
        fields[name] = decoded(fields[name])
    return fields


def schedule(row: Schedule) -> dict[str, Any]:
    """A schedule with the form of its messages beside its own fields, the body as a value."""
    fields, form = msgspec.structs.asdict(row), msgspec.structs.asdict(row.message)
    del fields["message"], form["id"]
    return {**form, **fields, "body": decoded(row.message.body)}


def snapshot(now: Snapshot, rates: Mapping[str, Rates]) -> dict[str, Any]:
    """A reading of the whole system; each queue with its rates, None where they are not known yet."""
    queues = [
        {
            **msgspec.structs.asdict(depth),
            "rates": msgspec.structs.asdict(rates[depth.queue]) if depth.queue in rates else None,
            "workers": len(now.serving(depth.queue)),
        }
        for depth in now.queues
    ]
    schedules = [schedule(row) for row in now.schedules]
    return {"at": now.at, "queues": queues, "workers": now.workers, "schedules": schedules, "gates": now.gates}


def plain(value: Any, depth: int = 0) -> Any:
    """`value` in JSON's own kinds; what has none becomes text. MessagePack allows any key, JSON only text."""
    if depth > _DEEPEST:
        return repr(value)
    if value is None or isinstance(value, str | int | float | bool | datetime | date):
        return value
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        pairs = cast("Any", value).items()
        return {key if isinstance(key, str) else str(key): plain(item, depth + 1) for key, item in pairs}
    if isinstance(value, bytes | bytearray):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item, depth + 1) for item in cast("Sequence[Any]", value)]
    return str(value) if isinstance(value, _TEXTS) else repr(value)
