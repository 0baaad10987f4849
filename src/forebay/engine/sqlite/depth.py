"""Queues in numbers: the tallies that every transaction keeps, and the age of the oldest ready message."""

from collections.abc import Sequence

import apsw

from forebay.engine.contract import Depth
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql

_FIELDS = frozenset(Depth.__struct_fields__) - {"queue", "age", "paused"}


def depths(db: Database, queues: Sequence[str] | None) -> list[Depth]:
    """One row per queue, by name; the cost depends on the number of queues, lanes and priorities, not of messages."""
    names = sorted(queues if queues is not None else (name for (name,) in db.read("select name from queue")))
    tallies: dict[str, dict[str, int]] = {}
    for queue, name, n in db.read(sql("tallies")):
        if name in _FIELDS:
            tallies.setdefault(queue, {})[name] = max(0, n)  # below, if somebody else put rows into the file
    paused = {
        queue
        for (queue,) in db.read(
            "select queue from gate where lane = '*' and (until is null or until > ?)", (db.clock.now(),)
        )
    }
    ages = _ages(db, [name for name in names if tallies.get(name, {}).get("ready")])
    return [
        Depth(queue=name, age=ages.get(name, 0.0), paused=name in paused, **tallies.get(name, {})) for name in names
    ]


def _ages(db: Database, queues: Sequence[str]) -> dict[str, float]:
    """Seconds that the oldest ready message of each queue has waited."""
    if not queues:
        return {}
    now = db.clock.now()
    return {queue: max(0.0, now - since) for queue, since in db.read(sql("oldest"), (apsw.carray(tuple(queues)),))}
