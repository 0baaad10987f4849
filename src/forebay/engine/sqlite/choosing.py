"""Verbs for many: what a choice means is found without the write lock, and met in steps, each a commit of its own.

Between two steps others get their turn; what was done by then stays done, whatever becomes of the rest.
"""

from collections.abc import Callable, Sequence

from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.looking import FRONT, Sought, look
from forebay.engine.sqlite.writer import Transaction
from forebay.store.records import Choice

#: Messages that one commit moves.
STEP = 1_000


def sought(choice: Choice, table: str, also: str = "") -> Sought:
    """What a choice means in a table; see `Sought` for `also`."""
    return Sought(table, choice.queue, choice.task, choice.key, None, choice.state, choice.ids, also)


async def in_steps(db: Database, act: Callable[[Transaction, Sequence[int]], int], what: Sought, limit: int) -> int:
    """`act` on up to `limit` rows, oldest first; for how many it worked.

    `act` is told row numbers, and has to look whether each is still what it was.
    """
    what = what._replace(now=db.clock.now())
    if what.ids is not None:
        return await _by_id(db, act, what, limit)
    done, after = 0, FRONT
    while done < limit and (found := await look(db.read, what, after, min(STEP, limit - done))):
        done += await db.writer.submit(act, found)
        after = found[-1]
    return done


async def _by_id(db: Database, act: Callable[[Transaction, Sequence[int]], int], what: Sought, limit: int) -> int:
    """Ids are looked for in parts, in whatever order they were given; then the oldest of all go first."""
    ids = what.ids or ()
    parts = [what._replace(ids=ids[start : start + STEP]) for start in range(0, len(ids), STEP)]
    left = sorted({number for part in parts for number in await look(db.read, part, FRONT, STEP)})
    done = 0
    while left and done < limit:
        some, left = left[: min(STEP, limit - done)], left[min(STEP, limit - done) :]
        done += await db.writer.submit(act, some)
    return done
