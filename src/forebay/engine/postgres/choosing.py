"""Verbs for many: what a choice means is found without a lock, and met in steps, each a commit of its own.

Between two steps others get their turn; what was done by then stays done, whatever becomes of the rest.
"""

from collections.abc import Callable, Iterator, Sequence

from forebay.engine.postgres.database import Database
from forebay.engine.postgres.looking import Sought, numbers, possible
from forebay.engine.postgres.writer import Tx

#: Messages that one commit moves.
STEP = 1_000


async def in_steps(db: Database, act: Callable[[Tx, Sequence[int]], int], what: Sought, limit: int) -> int:
    """`act` on up to `limit` rows, oldest first; for how many it worked.

    `act` is told row numbers, and has to look whether each is still what it was.
    """
    done = 0
    for part in _parts(what) if possible(what) else ():
        after = 0
        while done < limit and (found := await _look(db, part, after, min(STEP, limit - done))):
            done += await db.worker.submit(act, found)
            after = found[-1]
    return done


async def _look(db: Database, what: Sought, after: int, limit: int) -> list[int]:
    text, values = numbers(what, db.now(), after, limit)
    return [number for (number,) in await db.read_text(db.address.sql(text), values)]


def _parts(what: Sought) -> Iterator[Sought]:
    """Many ids in parts, so that each step looks for a few of them only."""
    if what.ids is None:
        yield what
        return
    for start in range(0, len(what.ids), STEP):
        yield what._replace(ids=what.ids[start : start + STEP])
