"""Which lanes may be looked at: whatever changes what a lane holds, or what it waits for, says so here.

A lane that waits is found again by what it waits for: a gate or a named meter by each lease, which asks them all, and
the meter of a key by whoever frees a slot of that key. So nothing waits in one row for what ends in another unheard.
What a lane said of a gate or a meter was said of its head, and is over once messages come or go.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.lane import Split, key_lane, parts

#: Seconds before its time that a lane is written down which may be looked at anyhow: then no date that somebody sets
#: makes it wait, and lanes that may go still stand in the order in which they had their turn.
ANY = -1e10
#: Seconds after its time that a lane is written down which is empty, and only there for what its meter remembers until
#: then: no lease looks at it.
OVER = 1e10

#: How the names of meters begin that are of one queue alone.
_OWN = ("queue:", "task:", "key:")

#: What tells where a message that runs belongs: its own lane, its task, its key.
Left = tuple[str, str, str | None]


def names(queue: str, told: Split, mine: str, task: str, key: str | None) -> list[str]:
    """The meters that a message passes, but for those that its queue has for every key."""
    found = [f"queue:{queue}", *parts(mine).meters]
    found += [f"task:{queue}:{task}"] if task in told.tasks else []
    return [*found, f"key:{queue}:{key}"] if key in told.keys else found


def come(tx: Transaction, queue: str, lane: str, n: int) -> None:
    """`n` more messages are ready in a lane: told with all of their batch, before anything else is said of lanes."""
    tx.come[queue][lane] += n


def tell_come(tx: Transaction) -> None:
    """What came in (`come`) is in its lanes from now on."""
    while tx.come:
        _stir(tx, *tx.come.popitem())


def stir(tx: Transaction, queue: str, lanes: Mapping[str, int]) -> None:
    """So many more messages are ready in each of these lanes; the main lane is not counted."""
    tell_come(tx)
    _stir(tx, queue, lanes)


def _stir(tx: Transaction, queue: str, lanes: Mapping[str, int]) -> None:
    """Lanes of which the same is to be said go in one statement, as those of a batch over many keys."""
    alike = defaultdict[tuple[int, bool], list[str]](list)
    for lane, n in lanes.items():
        if lane:
            alike[n, "|" in lane].append(lane)
    if not alike:
        return
    clock = tx.value("select clock from fair where queue = ?", (queue,))  # asked once: a join costs more, for each row
    derived, others = (tx.now + ANY, clock), (0, None)
    for (n, apart), names in alike.items():
        tx.db.execute(sql("stir"), (queue, rows.many(names), n, *(derived if apart else others)))


def nudge(tx: Transaction, queue: str, lane: str) -> None:
    """What the others of a lane may have waited for, without being counted in it, is gone."""
    tx.db.execute(sql("nudge"), (queue, lane, tx.now + ANY))


def stir_all(tx: Transaction, queue: str) -> None:
    """What lanes of this queue wait for is something else now: all that hold something may be looked at."""
    tx.db.execute(sql("stir_all"), (queue, tx.now + ANY))


def free(tx: Transaction, queue: str, told: Split, left: Mapping[Left, int]) -> None:
    """So many messages of each kind do not run any more: the slots that they had are free.

    Who waits for one is told, and nobody else: where there was one before, nobody does.
    """
    meters, keys = Counter[str](), Counter[str]()
    for (mine, task, key), n in left.items():
        meters.update(dict.fromkeys(names(queue, told, mine, task, key), n))
        if key is not None and told.key_slots is not None:
            keys[key] += n
    full = [name for name, n in meters.items() if tx.value(sql("free_meter"), (n, name))]
    if keys:
        _free_keys(tx, queue, keys)
    if keys or told.spec.fair or full:
        tx.topics.add(QUEUE + queue)
    if not all(name.startswith(_OWN) for name in full):  # messages of any queue may name these: a provider's, say
        named = tx.rows("select cast(name as blob) from queue where limits is not null")
        tx.topics.update(QUEUE + rows.text(name) for (name,) in named)


def _free_keys(tx: Transaction, queue: str, keys: Mapping[str, int]) -> None:
    """The meter of a key is in the lane `|key:…`; whatever waits for it, that lane or others, says so."""
    tx.db.executemany(sql("vacate"), [(queue, key_lane(key), n) for key, n in keys.items()])
    tx.db.execute(sql("forget_lanes"), (queue, rows.many(map(key_lane, keys)), tx.now))
    tx.db.executemany(sql("wake_lanes"), [(queue, f"key:{key}", tx.now + ANY, -1) for key in keys])
