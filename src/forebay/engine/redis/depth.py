"""Queues in numbers, from what `depth.lua` answers."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Depth
from forebay.engine.redis import forms
from forebay.engine.redis.leasing import SWEEP
from forebay.engine.redis.talk import Batch, Reading

_COUNTS = frozenset(
    {"scheduled", "running", "dead", "published", "done", "retried", "died", "cancelled", "expired", "discarded"}
)


def depths(batch: Batch, queues: Sequence[str] | None) -> Reading[list[Depth]]:
    """See `Engine.depth`."""
    call = batch.call("depth", 10 * SWEEP, "" if queues is None else "1", *(queues or ()))

    def read() -> list[Depth]:
        now, *rows = call.answer
        return [_depth(float(now), *row) for row in rows]

    return read


def _depth(now: float, name: bytes, cells: Sequence[bytes], *more: Any) -> Depth:
    ready, parked, oldest, held, paused = more
    numbers = dict(zip(map(bytes.decode, cells[::2]), cells[1::2], strict=True))
    counts: dict[str, Any] = {field: max(0, int(n)) for field, n in numbers.items() if field in _COUNTS}
    return Depth(
        queue=forms.text(name), ready=ready, parked=parked, age=_age(now, oldest), held=_age(now, held),
        paused=bool(paused), seconds=float(numbers.get("seconds", 0.0)), **counts,
    )  # fmt: skip


def _age(now: float, since: bytes) -> float:
    return max(0.0, now - float(since)) if since else 0.0
