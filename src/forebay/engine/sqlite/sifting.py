"""Rows that no lease can take, because somebody wrote them past every check: found, and made dead letters; those of
queues and lanes under names that are no text are removed.

Looks only where a lease or a sweep would look, and only after one has failed, so that the usual one pays nothing for
it. What can be kept of such a row is kept, in a form that can be read.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import apsw
import msgspec

from forebay.engine.contract import Want
from forebay.engine.sqlite import limits, rows
from forebay.engine.sqlite.audits import noted
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import ENDED
from forebay.engine.sqlite.writer import Transaction, Writer

P = ParamSpec("P")
R = TypeVar("R")

_TEXTS = ("id", "queue", "lane", "task", "key", "once")
#: The largest number that a lease may still count up.
_MOST = 2**63 - 2
#: Due and late messages looked at: more than any sweep touches at once.
_FAR = 10_000
#: What a row raises that nobody of ours wrote: when it is read, or when a number in it is counted up.
_FOREIGN = (UnicodeDecodeError, msgspec.MsgspecError, RecursionError, apsw.ConstraintError)
#: For sweeps that lease nothing.
NOTHING = Want("", (), 0)


async def sifted(
    writer: Writer,
    want: Want,
    operation: Callable[Concatenate[Transaction, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """`writer.submit(operation, *args)`, if need be again after the rows in its way were buried; a lease lazily."""
    submit = writer.submit_lazily if want.worker else writer.submit
    idle = 0
    while True:
        try:
            return await submit(operation, *args, **kwargs)
        except Exception as error:
            if idle > 1 or not isinstance(error.__cause__ or error, _FOREIGN):
                raise
        idle = (
            0 if await writer.submit(_sift, want) else idle + 1
        )  # 0 buried: another was first, or it is no row's fault


def _sift(tx: Transaction, want: Want) -> int:
    """Bury what stands where a lease would look and cannot be taken; how many."""
    seqs = {seq for (seq,) in tx.rows(sql("waiting_due"), (tx.now, _FAR))}
    seqs |= {seq for (seq,) in tx.rows("select seq from message indexed by message_running where state = 2")}
    for queue in want.queues:
        for (lane,) in tx.rows("select cast(lane as blob) from lane where queue = ?", (queue,)):
            seqs |= {seq for (seq,) in tx.rows(sql("foremost"), (queue, lane, max(1, want.limit)))}
    return sum(_bury(tx, seq) for seq in sorted(seqs)) + _remove(tx)


def _remove(tx: Transaction) -> int:
    """Rows of queues and lanes under names that no message of ours can have are removed; how many."""
    odd = 0
    for table, columns in (("queue", ("name",)), ("lane", ("queue", "lane"))):
        found = tx.rows(f"select {', '.join(f'cast({name} as blob)' for name in columns)} from {table}")  # noqa: S608
        for names in [names for names in found if not all(map(_decodes, names))]:
            where = " and ".join(f"{name} = cast(? as text)" for name in columns)
            tx.db.execute(f"delete from {table} where {where}", names)  # noqa: S608
            target = ", ".join(map(rows.text, names))
            noted(tx, "forebay", "remove", f"{table} {target}", "its name is no UTF-8: none of ours wrote this row")
            odd += 1
    return odd


def _bury(tx: Transaction, seq: int) -> bool:
    state, fence, attempt, headers, *texts, home = tx.rows(sql("raw"), (seq,))[0]
    named = dict(zip(_TEXTS, texts, strict=True))
    why = [f"its {name} is no UTF-8" for name, blob in {**named, "home": home}.items() if not _decodes(blob)]
    if not _is_headers(headers):
        headers, why = None, [*why, "its headers are no map of texts"]
    if max(fence, attempt) > _MOST:
        why.append("its fence or attempt cannot grow any more")
    if not why:
        return False
    safe = {name: None if blob is None else blob.decode("utf-8", "backslashreplace") for name, blob in named.items()}
    tx.db.execute(sql("bury_raw"), (seq, tx.now, f"its row is not readable: {', '.join(why)}", headers, *safe.values()))
    tx.db.execute(sql("remove"), (seq,))
    queue = str(safe["queue"])
    tx.moved(queue, rows.live(state), "dead")
    limits.recount(tx)
    tx.count(queue, "died")
    tx.topics.add(ENDED)
    return True


def _decodes(blob: bytes | None) -> bool:
    try:
        (blob or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_headers(blob: bytes | None) -> bool:
    try:
        rows.decoded_headers(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
