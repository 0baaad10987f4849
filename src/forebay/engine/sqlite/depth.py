"""Queues in numbers: the tallies that every transaction keeps, and the age of the oldest ready message."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Depth
from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql

_FIELDS = frozenset(Depth.__struct_fields__) - {"queue", "age", "held", "paused", "lanes", "seconds"}


def depths(db: Database, queues: Sequence[str] | None) -> list[Depth]:
    """One row per queue, by name; the cost depends on the number of queues, lanes and priorities, not of messages."""
    known = db.read("select cast(name as blob) from queue") if queues is None else ()
    names = sorted(queues if queues is not None else (rows.text(name) for (name,) in known))
    tallies: dict[str, dict[str, Any]] = {}
    for queue, name, n in db.read(sql("tallies")):
        if (field := rows.text(name)) in _FIELDS:  # below 0, if somebody else put rows into the file
            tallies.setdefault(rows.text(queue), {})[field] = max(0, n)
        elif field == "micros":
            tallies.setdefault(rows.text(queue), {})["seconds"] = max(0, n) / 1e6
    closed = db.read(sql("gates"), (db.clock.now(),))
    paused = {rows.text(queue) for queue, lane, *_ in closed if lane == b"*"}
    ages = _ages(db, [name for name in names if tallies.get(name, {}).get("ready")])
    return [
        Depth(queue=name, age=ages.get(name, 0.0), paused=name in paused, **tallies.get(name, {})) for name in names
    ]


def _ages(db: Database, queues: Sequence[str]) -> dict[str, float]:
    """Seconds that the oldest ready message of each queue has waited."""
    if not queues:
        return {}
    now = db.clock.now()
    return {queue: max(0.0, now - since) for queue, since in db.read(sql("oldest"), (rows.many(queues),))}
