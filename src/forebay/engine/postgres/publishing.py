"""Accepting messages. What several callers bring at the same time goes to the server together, alike ones as arrays."""

import json
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import Any

from msgspec.structs import replace

from forebay.engine.contract import MERGED_FOR, Fate, Receipt
from forebay.engine.full import exempt
from forebay.engine.postgres import filling, rows
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.flow.lane import own
from forebay.model.errors import EngineFull
from forebay.model.message import Carried, Message
from forebay.model.queue import Declared, QueueSpec

#: Seconds between looks at how large the tables are, if there is a limit.
LOOK = 1.0
#: Messages of one transaction that may have unique keys: each key takes a place in the server's table of locks, which
#: has some 1,600 of them for all sessions where 25 may connect.
KEYS = 500
#: Bytes that a message takes beside its body, with its entries in the indexes, about; as in `size.sql`.
ROW = 400
#: The history of a message that has none.
NEW = Carried()
#: What `bind` writes.
_BOUNDS = (
    "rate", "burst", "concurrency", "key_rate", "key_burst", "key_concurrency", "ordered", "fair", "weights",
)  # fmt: skip
_FATES: tuple[Fate, ...] = (Fate.ACCEPTED, Fate.DUPLICATE, Fate.MERGED)
_DUPLICATE = 1


class Publishing:
    """Publishes; `max_size` are the bytes of what is there at which nothing more is taken in, 0 for no limit."""

    def __init__(self, max_size: int) -> None:
        self._max_size, self._looked, self._size = max_size, 0.0, 0

    def publish_all(self, tx: Tx, batches: Sequence[Sequence[Message]]) -> list[list[Receipt]]:
        """`publish` for several callers."""
        receipts = iter(self.publish(tx, list(chain.from_iterable(batches))))
        return [list(islice(receipts, len(batch))) for batch in batches]

    def publish(self, tx: Tx, messages: Sequence[Message], mode: int = filling.OURS) -> list[Receipt]:
        """Insert all; a receipt each. Those already known change nothing.

        Args:
            mode: what is asked of queues with a limit.

        Raises:
            EngineFull: there is no room for them; nothing was changed.
        """
        if self._max_size:
            self._look(tx, messages)
        tx.topics.update(QUEUE + queue for queue in {message.queue for message in messages})
        for queue in sorted({message.queue for message in messages if message.meters}):
            tx.rows("mind", queue, tx.time())
        if len(messages) == 1 and _plain(messages[0]) and not mode:
            return [_one(tx, messages[0])]
        return list(self._several(tx, messages, mode))

    def _several(self, tx: Tx, messages: Sequence[Message], mode: int) -> Iterator[Receipt]:
        keys = [message.unique for message in messages if message.unique is not None]
        if len(keys) > 1:
            tx.rows("lock_keys", keys)
        seen: set[str] = set()
        runs = [list(run) for _, run in groupby(messages, _kind)]
        full = filling.Refusals(tx, mode)
        run_alone = tx.only if len(runs) == 1 else tx.rows
        for run in runs:
            how = filling.FREE if exempt(run[0]) else mode
            behind = full.behind(run[0].queue)
            if run[0].unique is not None:
                for message in run:
                    yield _once(tx, message, how, full)
                continue
            new = [message for message in run if message.id not in seen and not seen.add(message.id)]  # type: ignore[func-returns-value]
            if not new:
                yield from (Receipt(message.id, Fate.DUPLICATE) for message in run)
                continue
            ids = [message.id for message in new]
            form = _form(run[0], tx.now, ids, [message.body for message in new])
            special = how or behind
            known = (run_alone("publish_by", *form, how, behind) if special else run_alone("publish", *form))[0][0]
            if known is not None and None in known:
                refused = set(known[known.index(None) + 1 :])
                yield from _receipts(tx, run, set(known) - refused - {None}, refused, full)
            else:
                yield from _receipts(tx, run, set(known or ()))

    def _look(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Whether there is room, as far as was known a moment ago, and by what this process has added to that."""
        if time.monotonic() - self._looked > LOOK:
            self._looked, self._size = time.monotonic(), int(tx.rows("size", self._max_size)[0][0] or 0)
        if self._size > self._max_size:
            raise EngineFull(
                f"what waits and what is kept takes {self._size:,} bytes of max_size={self._max_size:,}: let workers "
                "catch up, shorten result_ttl, or raise max_size"
            )
        self._size += sum(ROW + len(message.body) for message in messages)


def declare(tx: Tx, queues: Sequence[QueueSpec], keep: float) -> list[Declared]:
    """Add or change queues, as far as each declaration holds, but for their bounds; what became of each.

    Args:
        keep: seconds that the end of a message is remembered that its queue has shed.
    """
    names = sorted({spec.name for spec in queues})
    tx.rows("make_queues", names)
    tx.rows("declare_lanes", names)
    known, new = _compared(tx, names, queues)
    if new:  # a row that stays as it is is not locked: this may be a part of a longer transaction
        tx.rows("lock_queues", [name for name, *_ in new])
        known, new = _compared(tx, names, queues)  # others may have declared the same meanwhile
    if new:
        tx.rows("declare", *map(list, zip(*new, strict=True)), keep)
    before = {name: _spec(name, ttl, lifo, bound) for name, (ttl, _, lifo, *bound) in known.items()}
    obeyed = _obeyed(queues, known)
    heavy = [name for name, one in obeyed.items() if one.limit_bytes is not None and before[name].limit_bytes is None]
    if heavy:
        tx.rows("weigh", heavy)
    now = before | {name: spec.plain() for name, spec in obeyed.items()}
    return [Declared(before[spec.name], now[spec.name]) for spec in queues]


def _compared(
    tx: Tx, names: Sequence[str], queues: Sequence[QueueSpec]
) -> tuple[dict[str, tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Queues as they are, and the rows that are to become other ones."""
    known = {row[0]: tuple(row[1:]) for row in tx.rows("declared", names)}
    wanted = {
        one.name: (one.ttl, known[one.name][1] or not one.mild, one.lifo, *filling.columns(one.bound))
        for one in _obeyed(queues, known).values()
    }
    return known, [(name, *row) for name, row in wanted.items() if known[name][: len(row)] != row]


def _obeyed(queues: Sequence[QueueSpec], known: Mapping[str, Sequence[Any]]) -> dict[str, QueueSpec]:
    """The declarations that hold, in the order in which their rows are locked."""
    return {
        spec.name: spec for spec in sorted(queues, key=lambda spec: spec.name) if spec.holds(firm=known[spec.name][1])
    }


def bind(tx: Tx, spec: QueueSpec, mild: bool) -> QueueSpec:
    """Write down what a queue bounds from now on; what is declared mildly only if no worker has declared it.

    Returns:
        What it bounded before: one of several who declare it at once has changed it, and the others nothing.
    """
    tx.rows("lock_queue", spec.name)
    ((name, ttl, _, lifo, *bound),) = tx.rows("declared", [spec.name])
    tx.only("bind", spec.name, *bounds(spec), mild, tx.now)
    tx.topics.add(QUEUE + spec.name)
    return _spec(name, ttl, lifo, bound)


def bounded_before(one: Declared, before: QueueSpec) -> Declared:
    """What became of a declaration, with what its queue bounded `before`, as `bind` has found it."""
    return Declared(replace(one.before, **{name: getattr(before, name) for name in _BOUNDS}), one.now)


def bounds(spec: QueueSpec) -> tuple[Any, ...]:
    """What it bounds, as table `bound` has it."""
    keys = spec.key_rate, spec.key_burst, spec.key_concurrency
    weights = json.dumps(dict(spec.weights)) if spec.weights else None
    return spec.rate, spec.burst, spec.concurrency, *keys, spec.ordered, spec.fair, weights


def _spec(name: str, ttl: float | None, lifo: bool, bound: Sequence[Any]) -> QueueSpec:
    limit = filling.fields(bound[:6])
    rate, burst, slots, key_rate, key_burst, key_slots, ordered, fair, told = bound[6:]
    weights = tuple(sorted(json.loads(told).items())) if told else ()
    return QueueSpec(
        name=name, ttl=ttl, rate=rate, burst=burst, concurrency=slots, key_rate=key_rate, key_burst=key_burst,
        key_concurrency=key_slots, ordered=ordered, lifo=lifo, fair=fair, weights=weights, **limit,
    )  # fmt: skip


def held(messages: Sequence[Message]) -> str:
    """What somebody's transaction may hold of messages, for the error: their unique keys, or else their ids."""
    keys = list(dict.fromkeys(message.unique for message in messages if message.unique is not None))
    if keys:
        return f"the unique key {keys[0]!r}" if len(keys) == 1 else f"one of the unique keys {listed(keys)}"
    return f"the id {messages[0].id}" if len(messages) == 1 else "the id of one of these messages"


def listed(names: Sequence[str], most: int = 5) -> str:
    """A few names, quoted."""
    return ", ".join([*map(repr, names[:most]), *(["…"] if len(names) > most else [])])


def _kind(message: Message) -> Message:
    """What a message has in common with others of its batch: all but id and body."""
    return replace(message, id="", body=b"")


def _plain(message: Message) -> bool:
    """Whether it asks for nothing that the short statement has not."""
    usual = message.unique is None and message.due is None and message.delay <= 0 and message.carried is None
    return usual and not message.meters and message.cost == 1.0


def _one(tx: Tx, message: Message) -> Receipt:
    headers = rows.pack_or_none(message.headers)
    place = message.queue, message.task, message.lane, message.priority
    accepted = tx.only("publish_one", message.id, message.body, *place, message.ttl, message.key, headers, tx.now)[0][0]
    if accepted is None:
        return filling.Refusals(tx).refuse(message)
    return Receipt(message.id, _fate(tx, known=not accepted))


def _form(message: Message, now: float | None, ids: list[str], bodies: list[bytes]) -> tuple[Any, ...]:
    """The parameters of `publish.sql`."""
    return ids, bodies, *_fields(message), now, _cost(message)


def _fields(message: Message) -> tuple[Any, ...]:
    """What a message is beside id and body: the parameters that both statements have in common."""
    carried, lane = message.carried or NEW, own(message.lane, message.meters)
    return (
        message.queue, message.task, lane, message.priority, message.delay, message.due, message.ttl, message.key,
        message.unique, rows.pack_or_none(message.headers), carried.attempt, carried.lost, carried.created,
        rows.pack_or_none(carried.failure),
    )  # fmt: skip


def _cost(message: Message) -> float | None:
    return None if message.cost == 1.0 else message.cost


def _once(tx: Tx, message: Message, mode: int, full: filling.Refusals) -> Receipt:
    behind = full.behind(message.queue)
    values = message.debounce, message.max_wait, MERGED_FOR, tx.now, _cost(message)
    told = message.id, message.body, *_fields(message), *values
    statement, more = ("publish_once_by", (mode, behind)) if mode or behind else ("publish_once", ())
    number, holder = tx.rows(statement, *told, *more)[0]
    while number == _DUPLICATE and holder != message.id and tx.rows("is_late", holder, tx.now)[0][0]:
        tx.rows("free_key", holder)
        number, holder = tx.rows(statement, *told, *more)[0]
    if number == filling.FULL:
        return full.refuse(message, holder)
    fate = _FATES[int(number)]
    if fate is Fate.DUPLICATE and holder == message.id:
        fate = _fate(tx, known=True)
    if fate is Fate.ACCEPTED and message.debounce > 0:
        tx.rows("overtake", message.unique, message.id, MERGED_FOR, tx.now)
    return Receipt(holder, fate)


def _fate(tx: Tx, known: bool) -> Fate:
    """What became of a message whose id is known: if its publish was tried before, it was accepted then."""
    return Fate.DUPLICATE if known and not tx.again else Fate.ACCEPTED


def _receipts(
    tx: Tx, run: Sequence[Message], known: set[str], refused: Container[str] = (), full: filling.Refusals | None = None
) -> Iterator[Receipt]:
    """Of a run whose ids were looked at; the second of two equal ids is a duplicate."""
    seen: set[str] = set()
    for message in run:
        if full is not None and message.id in refused:
            yield full.refuse(message)
            continue
        again = message.id in seen
        seen.add(message.id)
        yield Receipt(message.id, Fate.DUPLICATE if again else _fate(tx, message.id in known))
