"""Whether what lies in an open file and its log is what was left there, looked at around each transaction.

Names and inodes tell that a file was deleted, renamed or replaced. This tells what they do not: a log that was cut
short, and a database that another copy was laid over, under processes that have them open. Costs four short reads.
"""

import os
import time

from forebay.engine.sqlite import frames
from forebay.engine.sqlite.frames import FRAME_HEADER, Index
from forebay.engine.sqlite.guard import Guard
from forebay.engine.sqlite.mark import Mark

#: Looks, and seconds between them, before something is believed: a foreign program may begin the log anew meanwhile.
_LOOKS, _PAUSE = 5, 0.002


class Content:
    """What one process knows of a database's content. Call it under the write lock.

    Attributes:
        fresh: the log is new to this process, and wants the first page in it: so no two logs begin with the same one.
    """

    def __init__(self, held: Guard, mark: Mark) -> None:
        self._guard, self._mark = held, mark
        self._header, self._salts, self._began = b"", b"", 0
        self._index: Index | None = None
        self._wrong: str | None = None
        self.fresh = False

    def wrong(self) -> str | None:
        """What is wrong, beginning with the suffix of the file; None if nothing is. Once wrong, it stays so."""
        if self._wrong is None:
            found = self._look()
            for _ in range(_LOOKS if found is not None else 0):
                time.sleep(_PAUSE)
                found = found and self._look()
            self._wrong = found
        return self._wrong

    def _look(self) -> str | None:
        held = self._guard
        index = self._index = held.index()
        if index is None or held.log < 0:
            return None
        if os.lseek(held.log, 0, os.SEEK_END) < index.size():
            return "-wal was cut short"
        if not index.frames:  # there is nothing in it that could be mixed with anything
            self._salts = b""
            return None
        header = held.header()
        if index.salts != self._salts:
            self._salts, self._header = index.salts, b""
            self.fresh = True
            self._began = self._mark.log_began(self._salts, header)
        if header != self._header:
            if self._began and not frames.belongs(header, held.log, self._began, index.frames):
                return " was overwritten"
            self._header = header
        return None

    def used(self) -> int:
        """Bytes of the log that were in use before this transaction, or after it, as far as is known."""
        return 0 if self._index is None else self._index.size()

    def cut(self, size: int) -> bool:
        """After a commit: was the log, which has `size` now, cut while it was written, so that there is a hole in it?

        The database itself is looked at again before the next transaction, unless the log began anew with this one.
        """
        before = self._index
        if before is None or self._guard.log < 0:
            return False
        whole = size >= before.size()
        if before.frames and whole and self._salts_at(before.last()) == before.salts:
            return False
        wrong, now = self.wrong(), self._index
        return wrong is not None or bool(before.frames and now and now.salts == before.salts)

    def _salts_at(self, place: int) -> bytes:
        return os.pread(self._guard.log, FRAME_HEADER, place)[8:16]
