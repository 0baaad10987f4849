"""Rows that make a statement fail as a whole, because somebody wrote them past every check: found, and set aside.

Looks only after a statement has failed in a way that a row may be to blame for, so that the usual one pays nothing for
it; then it reads the whole table. What is set aside is a dead letter, with its cause, and redriven as any other.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg import errors as pg

from forebay.engine.postgres.rows import live
from forebay.engine.postgres.topics import ENDED
from forebay.engine.postgres.writer import Tx, Writer

R = TypeVar("R")

#: What a row raises that nobody of ours wrote: a number that is counted up, a text too long for an index of a lane, an
#: id that has ended already.
_FOREIGN = (pg.NumericValueOutOfRange, pg.ProgramLimitExceeded, pg.UniqueViolation)


async def sifted(writer: Writer, act: Callable[[Writer], Awaitable[R]]) -> R:
    """What `act` submits to that writer, if need be again after the rows in its way were set aside."""
    idle = 0
    while True:
        try:
            return await act(writer)
        except Exception as error:
            if idle > 1 or not isinstance(error.__cause__ or error, _FOREIGN):
                raise
        idle = 0 if await writer.submit(_sift) else idle + 1  # 0 found: another was first, or it is no row's fault


def _sift(tx: Tx) -> int:
    """Set aside what no statement can take; how many there were."""
    now = tx.time()
    renamed = tx.rows("rename", now)
    buried = tx.rows("set_aside_odd", now)
    for queue, lane, state in buried:
        tx.moved((queue, lane), str(live(state)), "dead")
        tx.count((queue, lane), "died")
        tx.topics.add(ENDED)
    return len(renamed) + len(buried)
