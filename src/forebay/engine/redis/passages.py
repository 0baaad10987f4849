"""Between a `Passage` and the parts of a message as the server has them: `lua/depart.lua` and `lua/arrive.lua`."""

from collections.abc import Sequence
from struct import Struct
from typing import Any

import msgspec

from forebay.engine.redis import forms
from forebay.model.passage import Passage

_SIZES = Struct(">dBIIIIII")  # due, first; sizes of head, body, history, failure, progress, end
_route = msgspec.msgpack.Decoder(list[Any]).decode


def read(id_: bytes, blob: bytes) -> Passage:
    """From what stands aside."""
    due, first, *sizes = _SIZES.unpack_from(blob)
    parts, at = list[bytes](), _SIZES.size
    for size in sizes:
        parts.append(blob[at : at + size])
        at += size
    head, body, past, failure, progress, end = parts
    _, _, created, expires, size = forms.HEAD.unpack_from(head)
    queue, lane, priority, task, key, unique, *more = _route(head[forms.HEAD.size : forms.HEAD.size + size])
    attempt, lost, since, _, unknown, cause, moved = forms.history(past)
    made: dict[str, Any] = {"attempt": attempt, "cause": cause, "due": due if due >= 0 else _time(since)}
    if end:
        made |= _dead(end) | {"due": _time(since)}
    return Passage(
        id=forms.text(id_), queue=queue, task=task, body=body, headers=head[forms.HEAD.size + size :], key=key,
        unique=unique, priority=priority, lane=moved if isinstance(moved, str) else lane,
        meters=tuple(more[0]) if more else (), cost=more[1] if more else 1.0, created=created, scheduled=due >= 0,
        first=bool(first), expires=_time(expires), lost=lost, unknown=_time(unknown), failure=failure,
        progress=progress, **made,
    )  # fmt: skip


def _dead(end: bytes) -> dict[str, Any]:
    _, finished, _, _, size = forms.END.unpack_from(end)
    lease, tail = end[forms.END.size : forms.END.size + size], end[forms.END.size + size :]
    made: dict[str, Any] = {"died": finished, "cause": forms.cause(tail)}
    if lease:
        _, made["attempt"], made["started"], made["worker"] = forms.lease_of(lease)
    return made


def _time(value: float) -> float | None:
    return None if value < 0 else value


def written(passages: Sequence[Passage]) -> list[Any]:
    """As `arrive.lua` takes them."""
    args: list[Any] = []
    for one in passages:
        was = (
            one.created, _or_none(one.expires), one.attempt, one.lost, _or_none(one.due), int(one.scheduled),
            int(one.first), _or_none(one.unknown), one.cause, _or_none(one.died), _or_none(one.started),
            one.worker or "",
        )  # fmt: skip
        common: tuple[Any, ...] = (one.queue, one.lane, one.priority, one.task, one.key, one.unique)
        route = (*common, one.meters, one.cost) if one.meters or one.cost != 1.0 else common
        tail = b"" if one.died is None else forms.tail(one.cause)
        args += (one.id, one.body, forms.pack(was), forms.pack(route), one.headers, one.failure, one.progress, tail)
    return args


def _or_none(value: float | None) -> float:
    """None as Lua gets it; a time before the epoch is long past all the same."""
    return -1.0 if value is None else max(0.0, value)
