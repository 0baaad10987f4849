"""Connections to look with: each look takes one and gives it back, so that looks of several threads run side by side.

No lock is held for a look. Whoever is struck in the middle of one (Ctrl-C, a timeout) loses the connection that it had,
with whatever was open in it, and nobody else notices; the next look makes a new one.
"""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import apsw

from forebay.model.errors import EngineClosed

#: Connections that are kept for the next looks.
KEPT = 4


class Readers:
    """As many connections as there are looks at a time.

    Args:
        connect: makes one that cannot write.
        check: raises if what is in the file is not to be read any more.
    """

    def __init__(self, connect: Callable[[], apsw.Connection], check: Callable[[apsw.Connection], object]) -> None:
        self._connect, self._check = connect, check
        self._seen: weakref.WeakKeyDictionary[apsw.Connection, int] = weakref.WeakKeyDictionary()
        self._idle = [connect()]
        self._closed = False

    def rows(self, sql: str, bindings: Iterable[Any] = (), *, check: bool = True) -> list[Any]:
        """All rows of a short query, in a read transaction that ends before this returns.

        Args:
            check: whether its file is to be checked, if others have written since the last look over this connection.
        """
        db = self._take()
        try:
            rows = db.execute(sql, tuple(bindings)).fetchall()
            if check and db.data_version() != self._seen.get(db):
                self._check(db)
                self._seen[db] = db.data_version()
        except Exception:
            db.close()
            raise
        self._give(db)
        return rows

    def _take(self) -> apsw.Connection:
        if self._closed:
            raise EngineClosed("this engine is closed: open the app again before using it")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give(self, db: apsw.Connection) -> None:
        if len(self._idle) < KEPT:
            self._idle.append(db)
        else:
            db.close()
        if self._closed:  # meanwhile
            self._drop()

    def close(self) -> None:
        """Close all; one that is in use is closed when it comes back."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        while self._idle:
            self._idle.pop().close()
