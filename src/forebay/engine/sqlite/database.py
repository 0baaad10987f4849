"""One SQLite file as an app uses it; what is open of it is shared with the other apps of the process (`sharing.py`).

Opening, closing and beginning to listen are for threads that nobody strikes: a `Facade` sees to the first two.
"""

import logging
import platform
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

from forebay.config import Settings
from forebay.engine.aside import Aside
from forebay.engine.sqlite.address import path_of
from forebay.engine.sqlite.errors import unopenable
from forebay.engine.sqlite.opened import Opened, User
from forebay.engine.sqlite.room import Room
from forebay.engine.sqlite.rows import statements
from forebay.engine.sqlite.sharing import Files, Share, files
from forebay.engine.sqlite.writer import Writer
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, EngineError

_logger = logging.getLogger("forebay.sqlite")


class Database:
    """The file of an app. `signal` tells what changed, in this process and in others; `room` what still fits.

    Args:
        vfs: the SQLite VFS to open it with, for tests of what a disk may do; the system's own by default.
        boot: which start of the host this is, for tests of what outlives one; the present one by default.
        among: the files that it is shared among, for tests that stand for several processes; those of this process.
    """

    def __init__(
        self, settings: Settings, clock: Clock, vfs: str = "", boot: str = "", among: Files | None = None
    ) -> None:
        self.settings, self.clock, self.vfs, self._files = settings, clock, vfs, among or files
        self.path = path_of(settings.url)
        self.host, self.boot = platform.node(), boot or boot_id()
        self._user = User(settings, clock)
        self.signal = self._user.signal
        self._guard = threading.RLock()
        self._aside = Aside()
        self._share: Share | None = None
        self._listens = False

    def open(self) -> None:
        """Open the file, creating and migrating it as needed. Does nothing if it is open."""
        with self._guard:
            if self._share is not None:
                return
            try:
                statements()
                self._share = self._files.join(self.path, self._user, self.vfs, self.boot)
            except (apsw.Error, OSError) as error:
                raise unopenable(error, self.path) from error
            self.path = self._opened.path
            self.room = Room(self.path, self.settings.max_size)

    @property
    def _opened(self) -> Opened:
        share = self._share
        if share is None or (opened := share.opened) is None:
            raise EngineClosed("this engine is not open: use `async with app:`, or call `open()` first")
        return opened

    @property
    def writer(self) -> Writer:
        """The writer.

        Raises:
            EngineClosed: the file is not open.
        """
        return self._opened.writer

    def read(self, sql: str, bindings: Iterable[Any] = (), *, check: bool = True) -> list[Any]:
        """All rows of a short query, in a read transaction that ends before this returns; see `Readers.rows`."""
        return self._opened.read(sql, bindings, check=check)

    async def wait(self, seen: int, timeout: float, topics: Iterable[str]) -> None:
        """Wait for news of these topics, here or in another process, that came after `seen`, or `timeout` seconds.

        The first one who waits begins to listen, and looks again, since nobody has heard what came before. Processes
        that only publish never listen.
        """
        if not self._listens and await self._aside.ask(self._listen):
            return
        if not self._listens:
            timeout = min(timeout, self.settings.poll)
        await self.signal.wait(seen, timeout, topics)

    def _listen(self) -> bool:
        """Whether it began just now."""
        with self._guard:
            if self._listens:
                return False
            try:
                self._opened.listen(self.settings.poll)
            except EngineClosed:
                raise
            except (apsw.Error, OSError, EngineError) as error:
                _logger.warning(
                    "%s: cannot listen to other processes, and looks every `poll` instead: %s", self.path, error
                )
                return False
            self._listens = True
            return True

    def close(self) -> None:
        """Commit what was submitted, then let go; the last app of the process closes the file. Safe to call twice."""
        with self._guard:
            share, self._share, self._listens = self._share, None, False
        if share is not None:
            self._files.leave(share, self._user)
        self.signal.close()


def boot_id() -> str:
    """What tells one start of this host from the next; leases by the monotonic clock hold within one only.

    Raises:
        EngineUnreachable: the system does not tell, for this process has no descriptor left.
    """
    try:
        if (linux := Path("/proc/sys/kernel/random/boot_id")).exists():
            return linux.read_text().strip()
        import subprocess

        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]  # macOS
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError as error:
        raise unopenable(error, Path(error.filename or "/proc")) from error
