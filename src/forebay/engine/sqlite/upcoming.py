"""When time alone changes something: a message is due, a gate opens, a meter lets the next one of a lane through.

Where each of many keys has a rate, one of them may go at almost any moment, and a look for it costs more than the
message. So lanes that may go soon after one another are waited for together, as long as no rate is missed by it.
"""

from collections.abc import Iterator, Mapping, Sequence

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql

#: Seconds after its time in which a lane may still be one that no lease has looked at.
LATELY = 0.1
#: Lanes that are enough for one look.
MANY = 64


def upcoming(db: Database, queues: Sequence[str], slack: Mapping[str, float]) -> Iterator[float]:
    """Times, seconds since the epoch: the first of them is to be waited for.

    Args:
        slack: of the queues that bound something, by how many seconds their lanes may be late.
    """
    now = db.clock.now() - LATELY
    due: float | None = db.read(sql("next_due"))[0][0]
    if due is not None:
        yield due
    if bounded := [queue for queue in queues if queue in slack]:
        for queue, go in db.read(sql("next_lanes"), (rows.many(bounded), now)):
            if go is not None:
                yield _together(db, queue, now, go + slack[queue]) if slack[queue] else go


def _together(db: Database, queue: str, after: float, until: float) -> float:
    last: float | None = db.read(sql("lanes_together"), (queue, after, until, MANY))[0][0]
    return until if last is None else last
