"""Bytes that wait in a queue, where they are bound: a tally that the file itself keeps.

Triggers do it, so that it holds whatever is written and by whom: leases, ends, moves, newer arguments, transactions of
somebody else. They are there only as long as a queue bounds its bytes, and touch only the tallies of such queues.
"""

from forebay.engine.sqlite.writer import Transaction

#: The name of the tally. It is there for as long as its queue bounds its bytes.
BYTES = "bytes"
#: The length is asked of the row, not of `new` or `old`: those would read all of the body.
_ADD = (
    "update tally set n = n {0} (select length(body) from message where seq = {1}.seq) "
    "where queue = {1}.queue and name = 'bytes';"
)
_TRIGGERS = {
    "bytes_come": ("after insert", "new", "+"),
    "bytes_go": ("before delete", "old", "-"),
    "bytes_before": ("before update of state, queue, body", "old", "-"),
    "bytes_after": ("after update of state, queue, body", "new", "+"),
}
#: By the three indexes of what waits.
_THERE = (
    "select coalesce(sum(size), 0) from ("
    "select sum(length(body)) as size from message where state = 0 and queue = ?1"
    " union all select sum(length(body)) from message where state = 1 and due is null and queue = ?1"
    " union all select sum(length(body)) from message where state = 1 and due is not null and queue = ?1)"
)


def size_of(tx: Transaction, queue: str) -> int:
    """Bytes that wait in a queue, as of this moment of the transaction."""
    return max(0, tx.value("select n from tally where queue = ? and name = ?", (queue, BYTES)) or 0)


def declare(tx: Transaction, queue: str, *, weighed: bool) -> None:
    """Count them from now on, or no more. What waits already is looked at once."""
    known = tx.value("select 1 from tally where queue = ? and name = ?", (queue, BYTES)) is not None
    if weighed and not known:
        for name, (when, row, sign) in _TRIGGERS.items():
            tx.db.execute(
                f"create trigger if not exists {name} {when} on message when {row}.state in (0, 1) "
                f"begin {_ADD.format(sign, row)} end"
            )
        (size,) = tx.rows(_THERE, (queue,))[0]
        tx.db.execute("insert into tally (queue, name, n) values (?, ?, ?)", (queue, BYTES, size))
    elif known and not weighed:
        tx.db.execute("delete from tally where queue = ? and name = ?", (queue, BYTES))
        if not tx.value("select 1 from tally where name = ?", (BYTES,)):
            for name in _TRIGGERS:
                tx.db.execute(f"drop trigger if exists {name}")
