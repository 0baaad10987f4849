"""A lane as a lease looks at it, and how what a lease has changed of lanes is written down.

A statement costs a change of threads, and while a loop is busy that is half a millisecond of everybody's turn: so lanes
are written many at a time.
"""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from forebay.engine.sqlite.stirring import ANY
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.fair import Account

#: Lanes that are written in one statement; what is left over, in fewer and fewer.
TOGETHER = 16, 8, 4, 2, 1


class Lane:
    """One lane as a lease looks at it; `go` and `waits` are what it leaves behind."""

    __slots__ = ("account", "derived", "gathered", "go", "n", "name", "running", "taken", "tat", "touched", "waits")

    def __init__(self, name: str, n: int, go: float | None, tat: float | None, *more: Any) -> None:
        self.name, self.n, self.go, self.tat = name, n, go, tat
        self.running, self.gathered, turn, *had = more
        self.account = Account(turn or 0.0, *had)  # in a fair queue
        self.taken, self.touched = 0, False
        self.waits: str | None = None
        self.derived = "|" in name  # it is there only while it holds something

    def say(self, go: float | None, waits: str | None = None) -> None:
        """When it may be looked at again (None: not before something happens), and what it waits for."""
        self.go, self.waits, self.touched = go, waits, True

    def say_any(self, now: float) -> None:
        """It may be looked at, behind those that wait for it already; in a fair queue where its turn is."""
        self.say((self.account.turn or now) + ANY)

    def give(self, n: int) -> None:
        """`n` messages leave it."""
        self.n, self.taken, self.touched = self.n - n, self.taken + n, self.touched or bool(n)


def write(tx: Transaction, queue: str, lanes: Sequence[tuple[Any, ...]]) -> None:
    """Lanes that a lease has looked at: name, how many more are ready, when it may be looked at, what it waits for, its
    meter (when it is free again, how many run), and up to which number older messages were gathered into it.
    """
    start = 0
    for size in TOGETHER:
        while len(lanes) - start >= size:
            tx.db.execute(_writing(size), (queue, *chain.from_iterable(lanes[start : start + size])))
            start += size


@cache
def _writing(n: int) -> str:
    """The statement that writes `n` of them; they are there, for they were looked at."""
    values = ", ".join(["(?1, ?, ?, ?, ?, ?, ?, ?)"] * n)
    return (
        f"insert into lane (queue, lane, n, go, waits, tat, running, gathered) values {values} "  # noqa: S608 - question marks
        "on conflict do update set n = max(0, n + excluded.n), go = excluded.go, waits = excluded.waits, "
        "tat = excluded.tat, running = excluded.running, gathered = excluded.gathered"
    )
