"""One SQLite file as this process has it open: a writer, a reader, and the bells. Owns their life, knows no verbs."""

import contextlib
import os
import platform
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

from forebay.config import Settings
from forebay.engine.sqlite import place, schema
from forebay.engine.sqlite.address import path_of
from forebay.engine.sqlite.bells import Listener, Ringer
from forebay.engine.sqlite.errors import translate, unopenable
from forebay.engine.sqlite.lock import WriteLock
from forebay.engine.sqlite.mark import Mark, check_new
from forebay.engine.sqlite.room import Room
from forebay.engine.sqlite.turn import Turn
from forebay.engine.sqlite.writer import Writer
from forebay.engine.waiting import Signal
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, EngineError

#: Milliseconds that SQLite itself waits for a foreign writer (a shell, a backup) before it gives up.
BUSY_TIMEOUT = 10_000
#: KiB of page cache per connection.
WRITER_CACHE, READER_CACHE = 16_000, 4_000


class Database:
    """The file, opened. `signal` tells what changed, in this process and in others.

    Args:
        vfs: the SQLite VFS to open it with, for tests of what a disk may do; the system's own by default.
        boot: which start of the host this is, for tests of what outlives one; the present one by default.
    """

    def __init__(self, settings: Settings, clock: Clock, vfs: str = "", boot: str = "") -> None:
        self.settings, self.clock, self._vfs = settings, clock, vfs
        self.path = path_of(settings.url)
        self.host, self.boot = platform.node(), boot or boot_id()
        self.signal = Signal()
        self._guard = threading.RLock()
        self._writer: Writer | None = None
        self._reader: apsw.Connection | None = None
        self._lock: WriteLock | None = None
        self._mark: Mark | None = None
        self._ringer: Ringer | None = None
        self._listener: Listener | None = None
        self._seen = 0  # SQLite's data version at the last slow look

    def open(self) -> None:
        """Open the file, creating and migrating it as needed. Does nothing if it is open."""
        with self._guard:
            if self._writer is not None:
                return
            try:
                self._open()
            except (apsw.Error, OSError) as error:
                raise unopenable(error, self.path) from error

    def _open(self) -> None:
        self.path = Path(os.path.realpath(self.path))  # one set of companions, whatever it is called
        place.check(self.path)
        check_new(self.path, self.boot)
        _touch(self.path)
        with contextlib.ExitStack() as parts:
            lock = WriteLock(self.path)
            parts.callback(lock.close)
            mark = Mark(self.path, self.boot, self.settings.durability)
            parts.callback(mark.close)
            with lock:
                mark.check_log()
                db = self._connect()
                parts.callback(db.close)
                self._prepare(db)
                mark.check(db)
            reader = self._open_reader()
            parts.pop_all()
        self._lock, self._mark, self._reader, self._ringer = lock, mark, reader, Ringer(self.bells)
        self.room = Room(self.path, self.settings.max_size)
        turn = Turn(self.path, db, lock, mark, self.clock)
        self._writer = Writer(db, turn, self._ringer, self.signal, self.clock)

    def _connect(self) -> apsw.Connection:
        return apsw.Connection(str(self.path), vfs=self._vfs or None)

    def _prepare(self, db: apsw.Connection) -> None:
        db.set_busy_timeout(BUSY_TIMEOUT)
        if not schema.version(db, str(self.path)):  # which also refuses a file that is not ours, before any write
            db.pragma("auto_vacuum", "incremental")
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full" if self.settings.durability == "full" else "normal")
        log = place.disk(self.path).log
        db.pragma("wal_autocheckpoint", log // int(db.pragma("page_size")))
        db.pragma("journal_size_limit", log)
        db.pragma("cache_size", -WRITER_CACHE)
        schema.check(db, str(self.path), self.settings.migrate)

    def _open_reader(self) -> apsw.Connection:
        db = self._connect()
        db.set_busy_timeout(BUSY_TIMEOUT)
        db.pragma("query_only", True)
        db.pragma("cache_size", -READER_CACHE)
        return db

    @property
    def bells(self) -> Path:
        """The folder of the listeners' sockets."""
        return Path(f"{self.path}-bells")

    @property
    def writer(self) -> Writer:
        """The writer.

        Raises:
            EngineError: the file is not open.
        """
        if self._writer is None:
            raise EngineClosed("this engine is not open: use `async with app:`, or call `open()` first")
        return self._writer

    def read(self, sql: str, bindings: Iterable[Any] = ()) -> list[Any]:
        """All rows of a short query, in a read transaction that ends before this returns."""
        with self._guard:
            if self._reader is None:
                raise EngineClosed("this engine is not open: use `async with app:`, or call `open()` first")
            try:
                return self._reader.execute(sql, tuple(bindings)).fetchall()
            except apsw.Error as error:
                raise translate(error, str(self.path)) from error
            except UnicodeDecodeError as error:
                raise EngineError(f"{self.path}: a text in it is no UTF-8; it was not Forebay that wrote it") from error

    def listen(self) -> bool:
        """Hear other processes from now on; whether it began just now. Processes that only publish never need to."""
        with self._guard:
            if self._listener is not None:
                return False
            self._listener = Listener(self.bells, self.signal, self.settings.poll, self._changed)
            self.writer.own_bell = self._listener.path
            return True

    def _changed(self) -> bool:
        """Whether another connection committed since the last call; the slow look behind the bells."""
        with self._guard:
            if self._reader is None:
                return False
            seen, self._seen = self._seen, int(self._reader.execute("pragma data_version").get)
            return seen != self._seen

    def close(self) -> None:
        """Commit what was submitted, then close everything. Safe to call twice."""
        with self._guard:
            writer, listener, self._listener = self._writer, self._listener, None
        if listener is not None:
            listener.close()
        if writer is not None:
            writer.close()
        with self._guard:
            if self._lock is not None and self._mark is not None:
                with self._lock:
                    self._mark.settle_up()
            for part in (self._reader, self._ringer, self._mark, self._lock):
                if part is not None:
                    part.close()
            self._writer = self._reader = self._ringer = self._mark = self._lock = None


def _touch(path: Path) -> None:
    """Create the file for its owner alone; SQLite gives its companions the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def boot_id() -> str:
    """What tells one start of this host from the next; leases by the monotonic clock hold within one only."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # macOS
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
