"""What is told of queues that were declared: each change, in the log and in the audit, and what others have overruled.

Logged by whoever declares; an engine knows nothing of it.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from forebay.flow.grant import shown
from forebay.model.duration import span
from forebay.model.errors import EngineError
from forebay.model.queue import Declared, QueueSpec

_logger = logging.getLogger("forebay.limits")
#: Options that are seconds.
_SPANS = "ttl", "limit_age", "full_wait"
#: Writes a line of the audit: verb, target, detail.
Note = Callable[[str, str, str], Awaitable[None]]


async def tell(specs: Sequence[QueueSpec], became: Iterable[Declared], note: Note | None) -> None:
    """Say what became of declarations. An audit that cannot be written undoes none of them, and is logged.

    Args:
        note: what writes a line of the audit, if there is one.
    """
    for spec, one in zip(specs, became, strict=True):
        if told := changes(one):
            _logger.info("queue %s: %s", spec.name, told)
            await _audit(note, spec.name, told)
        elif not spec.assumed and (other := changes(Declared(one.now, spec.plain()))):
            _logger.warning(
                "queue %s: what is declared here has no effect (%s): the limits of the worker that was started last "
                "hold; start a worker of this program to change them", spec.name, other,
            )  # fmt: skip


async def _audit(note: Note | None, queue: str, told: str) -> None:
    if note is None:
        return
    try:
        await note("declare", queue, told)
    except EngineError as error:
        _logger.warning("queue %s: the audit lacks this change: %s", queue, error)


def changes(one: Declared) -> str:
    """What is other than before: "concurrency 6 → 2, rate none → 50/s"; "" if nothing."""
    names = [name for name in QueueSpec.__struct_fields__ if name not in ("name", "assumed", "mild")]
    pairs = [(name, getattr(one.before, name), getattr(one.now, name)) for name in names]
    return ", ".join(f"{name} {_said(name, old)} → {_said(name, new)}" for name, old, new in pairs if old != new)


def _said(name: str, value: float | str | tuple[tuple[str, float], ...] | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"{key} {weight:g}" for key, weight in value) or "none"
    if isinstance(value, str):
        return value
    if name.startswith("limit") and name != "limit_age":
        return f"{value:,}"
    if isinstance(value, bool):
        return "on" if value else "off"
    return shown(value) if name.endswith("rate") else span(value) if name in _SPANS else f"{value:g}"
