"""Verbs for many: what a choice means is found without a lock, and met in steps, each a commit of its own.

Between two steps others get their turn; what was done by then stays done, whatever becomes of the rest.
"""

from collections.abc import Callable, Sequence

from forebay.engine.postgres.database import Database
from forebay.engine.postgres.looking import FRONT, Sought, numbers, possible
from forebay.engine.postgres.writer import Tx

#: Messages that one commit moves.
STEP = 1_000


async def in_steps(db: Database, act: Callable[[Tx, Sequence[int]], int], what: Sought, limit: int) -> int:
    """`act` on up to `limit` rows, oldest first; for how many it worked.

    `act` is told row numbers, and has to look whether each is still what it was.
    """
    if not possible(what):
        return 0
    if what.ids is not None:
        return await _by_id(db, act, what, limit)
    done, after = 0, FRONT
    while done < limit and (found := await _look(db, what, after, min(STEP, limit - done))):
        done += await db.worker.submit(act, found)
        after = found[-1]
    return done


async def _by_id(db: Database, act: Callable[[Tx, Sequence[int]], int], what: Sought, limit: int) -> int:
    """Ids are looked for in parts, in whatever order they were given; then the oldest of all go first."""
    ids = what.ids or ()
    parts = [what._replace(ids=ids[start : start + STEP]) for start in range(0, len(ids), STEP)]
    left = sorted({number for part in parts for number in await _look(db, part, FRONT, STEP)})
    done = 0
    while left and done < limit:
        some, left = left[: min(STEP, limit - done)], left[min(STEP, limit - done) :]
        done += await db.worker.submit(act, some)
    return done


async def _look(db: Database, what: Sought, after: int, limit: int) -> list[int]:
    text, values = numbers(what, db.now(), after, limit)
    return [number for (number,) in await db.read_text(db.address.sql(text), values)]
