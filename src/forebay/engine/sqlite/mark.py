"""The high-water mark: a second small file that remembers how far the database once was, to notice if it falls back.

SQLite cannot tell a damaged or missing log from one that ends early: it opens, and what was committed is gone. So
commits add what they accepted and ended to a number in `<database>-mark`, without a sync of its own: the number never
runs ahead of what a start must find again. At each opening it is held against the same sum of the file's own tallies.
"""

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import apsw

from forebay.engine.sqlite import companions, frames
from forebay.engine.sqlite.companions import Rights
from forebay.engine.sqlite.holder import named, users
from forebay.model.errors import EngineUnreachable

_logger = logging.getLogger("forebay.sqlite")
#: Tallies that only ever grow; their sum is how far a file is.
GROWING = frozenset({"published", "done", "retried", "died", "cancelled", "expired", "discarded"})
_PROGRESS = f"select coalesce(sum(n), 0) from tally where name in ({', '.join(map(repr, sorted(GROWING)))})"  # noqa: S608 - the names stand above
#: Seconds within which commits share a write of the mark; what a killed process may leave out of it.
INTERVAL = 0.005
_FORM, _BEFORE = struct.Struct("<8sQQQQ?36s8sQ"), struct.Struct("<8sQQQQ?36s")  # and as it was before it knew logs
_MAGIC = b"frbymark"


class Record(NamedTuple):
    """What the mark says.

    Attributes:
        progress: messages accepted and ended, in all.
        openings: how often the number was made anew from the file; what somebody owed it before is in it since then.
        database, own: the inodes of the database and of the mark, to notice that one was replaced without the other.
        hasty: some commits may not be synced (durability "normal"): a power loss may take them.
        boot: the start of the host in which it was written.
        log, began: the name of the log (its salts), and the first page of the database when it began; see `frames.py`.
    """

    progress: int
    openings: int
    database: int
    own: int
    hasty: bool
    boot: str
    log: bytes = bytes(8)
    began: int = 0


def progress(db: apsw.Connection) -> int:
    """How far a database is."""
    return int(db.execute(_PROGRESS).get)


def missing(db: apsw.Connection, database: Path) -> int:
    """How many messages accepted or ended a database has less than its mark says; 0 without a mark."""
    record = _peek(database)
    return max(0, record.progress - progress(db)) if record else 0


def promised(database: Path) -> int:
    """How far a database has been, as its mark says; 0 without one. Ask before you look at the database itself."""
    record = _peek(database)
    return record.progress if record else 0


def check_new(database: Path, boot: str) -> None:
    """Before a file is made where none is: was there one?

    Raises:
        EngineUnreachable: there was, and it held something.
    """
    if database.exists() and database.stat().st_size:
        return
    record = _peek(database)
    if record is not None and record.progress and not _declared(record, boot):
        raise _fell_back(database, record, 0)


def _peek(database: Path) -> Record | None:
    path = Path(f"{database}-mark")
    return decode(path.read_bytes()) if path.exists() else None


def _declared(record: Record, boot: str) -> bool:
    """Whether a loss may be one that durability=normal allows: the host was started anew since."""
    return record.hasty and record.boot != boot


def _fell_back(database: Path, record: Record, now: int) -> EngineUnreachable:
    return EngineUnreachable(
        f"{database} is not what it was: {record.progress - now} of {record.progress} messages accepted or ended are "
        f"missing. Was it, or its -wal, damaged, deleted, or replaced by an older copy? Put the files back; or, to go "
        f"on with what is there, {still_open(database)}delete {database.name}-mark"
    )


def check_log(database: Path, header: bytes) -> None:
    """Before SQLite sees a file that begins like this: is the log beside it its own, or its own elsewhere?

    Raises:
        EngineUnreachable: the database was replaced, overwritten, or renamed without its log.
    """
    log = Path(f"{database}-wal")
    if not _filled(log):
        if (left := _left_behind(database, header)) is not None:
            raise EngineUnreachable(
                f"{database} was renamed, and what was accepted last stays behind in {left}: rename that too "
                f"(mv '{left}' '{log}'), or delete it to go on without"
            )
        return
    if (record := _peek(database)) is None:
        return
    replaced = record.database != database.stat().st_ino
    same_mark = record.own == Path(f"{database}-mark").stat().st_ino
    if (replaced and same_mark) or _belongs(record, log, header) is False:
        raise EngineUnreachable(
            f"{database} was {'replaced' if replaced else 'overwritten'}, or its log was: {log.name} is the log of "
            f"another state of it and would be mixed into it. Put back what belongs together, or {still_open(database)}"
            f"delete {log.name} and {database.name}-mark to go on with what is there"
        )


def _filled(log: Path) -> bool:
    try:
        return log.stat().st_size > 0
    except OSError:
        return False


def _belongs(record: Record, log: Path, header: bytes) -> bool | None:
    """Whether a log belongs to a database that begins like this; None if nobody knows. Not open here by SQLite."""
    fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not record.began or frames.salts_of(fd) != record.log:
            return None
        return frames.belongs(header, fd, record.began)
    finally:
        os.close(fd)


def _left_behind(database: Path, header: bytes) -> Path | None:
    """The log of this database under a name that it had before, in its folder."""
    for log in database.parent.glob("*-wal"):
        before = Path(str(log).removesuffix("-wal"))
        with contextlib.suppress(OSError):
            if not before.exists() and _filled(log) and (record := _peek(before)) and _belongs(record, log, header):
                return log
    return None


def still_open(database: Path) -> str:
    """Advice to end first whoever still has a database open, for it may hold what is missing; "" if nobody has."""
    pids = users(database)
    return f"end {named(pids)} first, which still has it open and may hold them, then " if pids else ""


class Mark:
    """The mark beside `database`. Call everything but `close` under the write lock."""

    def __init__(self, database: Path, boot: str, durability: str, rights: Rights) -> None:
        self._database, self._boot, self._hasty = database, boot, durability != "full"
        self._owed, self._openings, self._wrote = 0, 0, -INTERVAL
        self.path = Path(f"{database}-mark")
        self._fd = companions.opened(self.path, rights)

    def check(self, db: apsw.Connection) -> None:
        """Is everything there that was there before? Then remember how far it is.

        Raises:
            EngineUnreachable: it is not.
        """
        record, now = self.read(), progress(db)
        if record is not None and now < record.progress:
            if not _declared(record, self._boot):
                raise _fell_back(self._database, record, now)
            _logger.warning(
                "%s: the last %d messages accepted or ended were lost with the power, as durability=normal allows",
                self._database, record.progress - now,
            )  # fmt: skip
        unsynced = self._hasty or (record is not None and record.hasty and record.boot == self._boot)
        self._owed, self._openings = 0, 1 + (record.openings if record is not None else 0)
        inodes = self._database.stat().st_ino, os.fstat(self._fd).st_ino
        new = Record(now, self._openings, *inodes, unsynced, self._boot)
        self._write(new if record is None else new._replace(log=record.log, began=record.began))

    def advance(self, counts: Mapping[tuple[str, str], int], mono: float) -> None:
        """A commit added this to the tallies, at `mono`. Commits that follow one another closely share a write."""
        for (_, name), n in counts.items():
            if name in GROWING:
                self._owed += n
        if self._owed and mono - self._wrote >= INTERVAL:
            self._wrote = mono
            self.settle_up()

    def settle_up(self) -> None:
        """Write what commits have added. Other processes add to the same number, so it is read again first.

        If somebody has counted the file since the last time, most of what is owed is in the number already: it is left
        out, so that the number may stay a little behind but is never ahead.
        """
        record, owed, self._owed = self.read(), self._owed, 0
        if record is None or not owed:
            return
        if record.openings == self._openings:
            self._write(record._replace(progress=record.progress + owed, hasty=record.hasty or self._hasty))
        self._openings = record.openings

    def log_began(self, log: bytes, header: bytes) -> int:
        """A log is in use, and the database begins like this: what it was when the log began; 0 if nobody knows."""
        record = self.read()
        if record is None:
            return 0
        if record.log != log:
            record = record._replace(log=log, began=frames.print_of(header))
            self._write(record)
        return record.began

    def moved_on(self) -> bool:
        """Whether somebody may have opened the database since this was written: it is counted anew, or another mark."""
        try:
            record = _peek(self._database)
        except OSError:
            return True
        own = os.fstat(self._fd).st_ino
        return record is not None and (record.own != own or record.openings != self._openings)

    def read(self) -> Record | None:
        """What it says; None if it says nothing, or nothing that makes sense."""
        try:
            return decode(os.pread(self._fd, 128, 0))
        except OSError as error:  # what was committed stays committed
            _logger.warning("%s: %s", self.path, error)
            return None

    def _write(self, record: Record) -> None:
        try:
            os.pwrite(self._fd, encode(record), 0)
        except OSError as error:  # a mark that stays behind is still true
            _logger.warning("%s: %s", self.path, error)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def decode(content: bytes) -> Record | None:
    """The record in a mark's bytes; None if they are not whole."""
    form = next((form for form in (_FORM, _BEFORE) if len(content) == form.size + 4), None)
    if form is None or zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
        return None
    magic, progress, openings, database, own, hasty, boot, *log = form.unpack(content[:-4])
    if magic != _MAGIC:
        return None
    return Record(progress, openings, database, own, hasty, boot.rstrip(b"\0").decode(), *log)


def encode(record: Record) -> bytes:
    """The bytes of a record."""
    content = _FORM.pack(_MAGIC, *record[:5], record.boot.encode()[:36], record.log, record.began)
    return content + zlib.crc32(content).to_bytes(4, "little")
