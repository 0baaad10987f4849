"""What a queue bounds and tells apart: kept in its row, followed by every process, and obeyed for what waits already.

A change writes no message. Where the lanes are others from now on, leases move what they meet (`lanes.py`).
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from forebay.engine.sqlite import filling, named, rows, shares
from forebay.engine.sqlite.stirring import ANY, OVER, stir_all
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.grant import kept
from forebay.flow.lane import Split, key_lane, parts, passes, place
from forebay.model.meter import Meter
from forebay.model.provider import of_each
from forebay.model.queue import Declared, QueueSpec

#: The tally that says when a rate last let something through, in milliseconds since the epoch.
CHARGED = ("", "charged")
#: The tally that says when whoever tidies has counted anew what runs, likewise; and seconds until that is done again.
RECOUNTED, RECOUNT = ("", "recounted"), 4.0

_logger = logging.getLogger("forebay.sqlite")
_split = msgspec.msgpack.Decoder(Split).decode


@lru_cache(8192)  # each queue that bounds something has one, and each lease reads them all
def split(limits: bytes) -> Split:
    """From the column `limits` of a queue; what cannot be read bounds nothing until the queue is declared again."""
    try:
        return _split(limits)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _logger.warning("the bounds of a queue cannot be read, and bound nothing until it is declared: %s", error)
        return Split(QueueSpec(name=""))


def limited(tx: Transaction) -> dict[str, Split]:
    """The queues that bound something, or tell something apart."""
    found = tx.rows("select name, limits from queue indexed by queue_limited where limits is not null")
    return {name: split(limits) for name, limits in found}


def of_queue(tx: Transaction, queue: str) -> Split | None:
    """What one queue bounds and tells apart; None if nothing."""
    limits: bytes | None = tx.value("select limits from queue where name = ?", (queue,))
    return None if limits is None else split(limits)


def queues(tx: Transaction) -> list[str]:
    """All queues that are known, but for those that somebody else wrote there under what is no text."""
    names = [rows.text(name) for (name,) in tx.rows("select cast(name as blob) from queue")]
    return [name for name in names if tx.value("select 1 from queue where name = ?", (name,))]


def introduce(tx: Transaction, queue: str) -> None:
    """Make a queue known; gates that hold for all queues hold for it as well."""
    if _introduce(tx, queue):
        recount(tx)


def _introduce(tx: Transaction, queue: str) -> bool:
    """Likewise; whether what runs is to be counted anew."""
    tx.db.execute("insert into queue (name) values (?) on conflict do nothing", (queue,))
    if not tx.db.changes():
        return False
    tx.db.execute("insert into lane (queue, lane, go) values (?, '', 0) on conflict do nothing", (queue,))
    gates = tx.rows("select distinct cast(what as blob) from closed where queue = ''")
    news = [_tell_apart(tx, queue, rows.text(what)) for (what,) in gates]
    return any(news)


def declare(tx: Transaction, specs: Iterable[QueueSpec]) -> list[Declared]:
    """Add or change queues, as far as each declaration holds; what became of each. What runs is counted once."""
    found = [_declare(tx, spec) for spec in specs]
    if any(changed for _, changed in found):
        recount(tx)
    return [declared for declared, _ in found]


def _declare(tx: Transaction, spec: QueueSpec) -> tuple[Declared, bool]:
    """What became of one; whether what runs is to be counted anew."""
    changed = _introduce(tx, spec.name)
    ((ttl, firm, limits, held),) = tx.rows("select ttl, firm, limits, room from queue where name = ?", (spec.name,))
    known = Split(QueueSpec(name=spec.name)) if limits is None else split(limits)
    before, now = replace(known.spec, name=spec.name, ttl=ttl, **filling.fields(held)), spec.plain()
    if not spec.holds(firm=bool(firm)):
        return Declared(before, before), changed
    if (now.ttl, not spec.mild) != (ttl, bool(firm)):
        tx.queues.pop(spec.name, None)
        tx.db.execute(
            "update queue set ttl = ?2, firm = max(firm, ?3) where name = ?1", (spec.name, spec.ttl, not spec.mild)
        )
    filling.declare(tx, spec.name, held, now.bound)
    if (bounds := replace(now.unbound(), ttl=None)) != known.spec:
        _change(tx, spec.name, known, replace(known, spec=bounds))
        changed = True
    return Declared(before, now), changed


def tell_apart(tx: Transaction, queue: str, what: str) -> None:
    """From now on, what is of this task ("task:…") or key ("key:…") waits by itself."""
    tell_all_apart(tx, [queue], what)


def tell_all_apart(tx: Transaction, queues: Iterable[str], what: str) -> None:
    """Likewise in each of these queues; what runs is counted once for all of them."""
    news = [_tell_apart(tx, queue, what) for queue in queues]
    if any(news):
        recount(tx)


def _tell_apart(tx: Transaction, queue: str, what: str) -> bool:
    """In one queue; whether that is new."""
    kind, _, name = what.partition(":")
    known = of_queue(tx, queue) or Split(QueueSpec(name=queue))
    after = known
    if kind == "task" and name not in known.tasks:
        after = replace(known, tasks=(*known.tasks, name))
    elif kind == "key" and name not in known.keys:
        after = replace(known, keys=(*known.keys, name))
    elif kind == "named" and not known.named:
        after = replace(known, named=True)
    if after == known:
        return False
    _change(tx, queue, known, after)
    return True


def forget(tx: Transaction, queue: str) -> None:
    """Tell apart no more what nobody asks for and nothing waits in: once a lane has run empty."""
    known = of_queue(tx, queue)
    if known is None:
        return
    gates = tx.rows("select cast(what as blob) from closed where queue in (?, '')", (queue,))
    asked = {rows.text(what) for (what,) in gates}
    found = tx.rows("select cast(lane as blob) from lane where queue = ? and lane like '%|%'", (queue,))
    left = [parts(rows.text(lane)) for (lane,) in found]
    tasks = {part.task for part in left} | {name for name in known.tasks if _asks(tx, asked, queue, f"task:{name}")}
    keys = {part.key for part in left} | {name for name in known.keys if _asks(tx, asked, queue, f"key:{name}")}
    fewer = replace(
        known, tasks=tuple(name for name in known.tasks if name in tasks),
        keys=tuple(name for name in known.keys if name in keys),
    )  # fmt: skip
    if fewer != known or (fewer.plain and not left):
        _write(tx, queue, None if fewer.plain and not left else fewer)


def _asks(tx: Transaction, asked: set[str], queue: str, what: str) -> bool:
    kind, _, name = what.partition(":")
    return what in asked or bool(tx.value("select 1 from meter where name = ?", (f"{kind}:{queue}:{name}",)))


def gathered(tx: Transaction, queue: str, told: Split) -> Split:
    """No message is left that may stand in another lane than its key's since before these were told apart."""
    if not told.until or (tx.value("select min(seq) from message") or 0) <= told.until:
        return told
    _write(tx, queue, fresh := replace(told, until=0))
    return fresh


def _write(tx: Transaction, queue: str, wanted: Split | None) -> None:
    tx.queues.pop(queue, None)
    tx.db.execute("update queue set limits = ? where name = ?", (None if wanted is None else rows.pack(wanted), queue))


def _change(tx: Transaction, queue: str, before: Split, after: Split) -> None:
    """Write down what a queue bounds from now on, and wake whoever waits by what it bounded before.

    What runs is to be counted anew after that (`recount`): once, however many queues were changed.
    """
    lanes = tx.value("select 1 from lane where queue = ? and lane like '%|%'", (queue,))
    if after.by_key and (after.by_key, after.spec.ordered) != (before.by_key, before.spec.ordered):
        after = replace(after, until=tx.number(0) - 1)  # what waits by now may stand in other lanes than its key's
    _write(tx, queue, None if after.plain and not lanes else after)
    own = Meter(name=f"queue:{queue}", rate=after.spec.rate, burst=after.spec.burst, slots=after.spec.concurrency)
    if (own.rate, own.burst, own.slots) != (before.spec.rate, before.spec.burst, before.spec.concurrency):
        named.put(tx, own)
        if own.rate is None and own.slots is None:
            tx.db.execute("delete from meter where name = ?", (own.name,))
    old, key = (Meter(name="", rate=one.spec.key_rate, burst=one.spec.key_burst) for one in (before, after))
    tx.db.execute(
        "update lane set tat = ?2 + min(tat - ?2, ?3) * ?4 + max(0, tat - ?2 - ?3) * ?5 where queue = ?1 and tat > ?2",
        (queue, tx.now, *kept(old, key)),
    )
    shares.change(tx, before.spec, after.spec)
    stir_all(tx, queue)
    tx.topics.add(QUEUE + queue)


def recount(tx: Transaction) -> None:
    """Lanes of what runs, and how many run behind each meter, anew: few rows, and written only where it is not so.

    After a change of what is bound; and now and then (`recount_again`), for somebody else may have removed rows that
    had slots.
    """
    known, meters, lanes = limited(tx), Counter[str](), Counter[tuple[str, str]]()
    busy = Counter[tuple[str, str]]()  # lanes of fair queues
    for queue, mine, task, key in (*_settled(tx, known), *tx.rows("select queue, mine, task, key from slot")):
        meters.update(passes(queue, mine, task, key))
        if (told := known.get(queue)) is None:
            continue
        if key is not None and told.key_slots is not None:
            lanes[queue, key_lane(key)] += 1
        busy[queue, place(mine, task, key, told)] += told.spec.fair
    shares.recount(tx, busy)
    _count(tx, meters, lanes)


def recount_again(tx: Transaction) -> None:
    """Likewise, unless that was done just now, by whichever process: it costs something for all that runs.

    Each keeper tidies every few seconds, and each producer that a full queue refuses does: there may be hundreds.
    """
    now, last = round(tx.now * 1000), int(tx.value("select n from tally where queue = ? and name = ?", RECOUNTED) or 0)
    if limited(tx) and not 0 <= now - last < RECOUNT * 1000:
        recount(tx)
        tx.db.execute(
            "insert into tally (queue, name, n) values (?, ?, ?) on conflict do update set n = excluded.n",
            (*RECOUNTED, now),
        )


def _settled(tx: Transaction, known: Mapping[str, Split]) -> list[tuple[str, str, str, str | None]]:
    """What runs, in the lanes where it is now: queue, own lane, task and key of each."""
    running = tx.rows(
        "select seq, queue, lane, task, key, coalesce(home, lane) from message indexed by message_running "
        "where state = 2"
    )
    for seq, queue, lane, task, key, mine in running:
        told = known.get(queue)
        now = mine if told is None else place(mine, task, key, told)
        if now != lane:
            tx.db.execute(
                "update message set lane = ?, home = ? where seq = ?", (now, None if now == mine else mine, seq)
            )
    return [(queue, mine, task, key) for _, queue, _, task, key, mine in running]


def _count(tx: Transaction, meters: Counter[str], lanes: Counter[tuple[str, str]]) -> None:
    had = dict(tx.rows("select name, running from meter"))
    for name in meters.keys() - had.keys():
        if of_each(name) in had and (one := named.known(tx.rows, name)) is not None:
            named.write_down(tx, replace(one, running=meters[name]))
    off = [(meters[name], name) for name, n in had.items() if meters[name] != n]
    tx.db.executemany("update meter set running = ? where name = ?", off)
    there = {(queue, lane): n for queue, lane, n in tx.rows("select queue, lane, running from lane where running <> 0")}
    apart = [lane for lane in there.keys() | lanes.keys() if there.get(lane, 0) != lanes[lane]]
    tx.db.executemany(rows.sql("occupy"), [(*lane, lanes[lane]) for lane in apart])
    for queue, lane in apart:
        tx.db.execute(rows.sql("forget_lanes"), (queue, rows.many([lane]), tx.now))
    if off or apart:
        tx.db.execute(
            "update lane set go = coalesce(turn - 1e10, ?), waits = null where waits >= 'key:' and waits < 'key;'",
            (tx.now + ANY,),
        )
        tx.topics.update(QUEUE + queue for queue in limited(tx))


def _charged(tx: Transaction) -> int:
    return int(tx.value("select n from tally where queue = ? and name = ?", CHARGED) or 0)


def charge(tx: Transaction, known: int | None = None) -> None:
    """A rate has let something through. It is written down with the other tallies; `known` is what was there before."""
    tx.counts[CHARGED] = int(tx.now * 1000) - (_charged(tx) if known is None else known)


def set_back(tx: Transaction, back: float) -> None:
    """The clock was set back by so many seconds: what meters remember, and what waits for them, lies too late."""
    tx.db.execute("update meter set tat = tat - ?1 where tat > ?2", (back, tx.now))
    tx.db.execute("update lane set tat = tat - ?1 where tat > ?2", (back, tx.now))
    tx.db.execute(
        "update lane set go = coalesce(turn - 1e10, ?1) where go > ?2 and go < ?3 and n > 0",
        (tx.now + ANY, tx.now, OVER / 2),
    )
    tx.db.execute("update lane set go = go - ?1 where go > ?2", (back, OVER / 2))
    charge(tx)


def key_meter(name: str, told: Split, running: int, tat: float | None) -> Meter:
    """The meter of one key, from what its lane remembers."""
    spec = told.spec
    return Meter(
        name=name, rate=spec.key_rate, burst=spec.key_burst, slots=told.key_slots, running=running, tat=tat or 0.0
    )
