"""Queues in numbers: the tallies that every transaction keeps, and the age of the oldest ready message."""

from collections.abc import Sequence

from forebay.engine.contract import Depth
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql

_FIELDS = frozenset(Depth.__struct_fields__) - {"queue", "age", "paused"}
#: Above every priority that a message can have.
_TOP = 2**62


def depths(db: Database, queues: Sequence[str] | None) -> list[Depth]:
    """One row per queue, by name; the cost depends on the number of queues, lanes and priorities, not of messages."""
    names = sorted(queues if queues is not None else (name for (name,) in db.read("select name from queue")))
    tallies: dict[str, dict[str, int]] = {}
    for queue, name, n in db.read(sql("tallies")):
        if name in _FIELDS:
            tallies.setdefault(queue, {})[name] = n
    paused = {queue for (queue,) in db.read("select queue from gate where lane = '*'")}
    now = db.clock.now()
    return [
        Depth(
            queue=name, age=_age(db, name, now, tallies.get(name, {})), paused=name in paused, **tallies.get(name, {})
        )
        for name in names
    ]


def _age(db: Database, queue: str, now: float, tally: dict[str, int]) -> float:
    """Seconds that the oldest ready message has waited, seen from the foremost of each lane and priority."""
    if not tally.get("ready"):
        return 0.0
    oldest = now
    for (lane,) in db.read("select lane from lane where queue = ?", (queue,)):
        priority = _TOP
        while found := db.read(sql("first_ready"), (queue, lane, priority)):
            priority, ready = found[0]
            oldest = min(oldest, ready)
    return max(0.0, now - oldest)
