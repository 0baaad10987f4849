"""Verbs for many: what a choice means is found without the write lock, and met in steps, each a commit of its own.

Between two steps others get their turn; what was done by then stays done, whatever becomes of the rest.
"""

from collections.abc import Callable, Iterator, Sequence

from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.looking import Sought, look
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
    done = 0
    for part in _parts(what._replace(now=db.clock.now())):
        after = 0
        while done < limit and (seqs := await look(db.read, part, after, min(STEP, limit - done))):
            done += await db.writer.submit(act, seqs)
            after = seqs[-1]
    return done


def _parts(what: Sought) -> Iterator[Sought]:
    """Many ids in parts, so that each step looks for a few of them only."""
    if what.ids is None:
        yield what
        return
    for start in range(0, len(what.ids), STEP):
        yield what._replace(ids=what.ids[start : start + STEP])
