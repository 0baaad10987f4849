"""SQLite's view of a `Disk`: a VFS that does everything on real files and writes down what was synced and what was not.

It promises to change nothing for SQLite. It syncs no real file, since the losses happen in the model. Shared memory
(the -shm file) stays as it is: it does not outlive a restart of the machine.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import apsw

from forebay.testing.powerloss.disk import Disk, Inode

#: A sync that is left out on purpose, to see whether the simulator notices.
Skip = Literal["", "log", "database", "folder"]

#: SQLite syncs the folder when it first syncs one of these that it has opened to be created if need be: through each
#: connection, whichever of them made it.
_NEW_NAMES = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class Watched(apsw.VFS):
    """A VFS by the name `name` until `unregister` is called.

    Args:
        disk: told of every write, sync, truncation, creation and deletion.
        before: called ahead of each of these; the moment at which the power may go.
        synced: called with the path after a file is durable.
    """

    def __init__(
        self, name: str, disk: Disk, before: Callable[[], None], synced: Callable[[str], None], skip: Skip = ""
    ) -> None:
        super().__init__(name, "")
        self.disk, self.before, self.synced, self.skip = disk, before, synced, skip

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's
        """Open a file; a temporary one, without a name, is nobody's to lose."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return apsw.VFSFile("", name, flags)
        return WatchedFile(self, path, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's
        """Delete a file; its name comes back with the power unless the folder was synced."""
        self.before()
        super().xDelete(filename, syncdir)
        self.disk.delete(filename)
        if syncdir and self.skip != "folder":
            self.disk.sync_folder()


class WatchedFile(apsw.VFSFile):
    """One open file. Several may be open on the same inode."""

    def __init__(self, vfs: Watched, path: str, flags: list[int]) -> None:
        content = Path(path).read_bytes() if Path(path).exists() else None
        super().__init__("", path, flags)
        self._vfs, self._path = vfs, path
        self._inode, self._new_name = self._find(content, flags[0])

    def _find(self, content: bytes | None, flags: int) -> tuple[Inode, bool]:
        disk, new = self._vfs.disk, bool(flags & _NEW_NAMES and flags & apsw.SQLITE_OPEN_CREATE)
        if self._path in disk.files:
            return disk.files[self._path], new
        if content:
            return disk.load(self._path, content), new
        self._vfs.before()
        return disk.create(self._path), new

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's
        """Write, and remember what is not durable yet."""
        self._vfs.before()
        super().xWrite(data, offset)
        self._inode.write(offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's
        """Cut, and remember it."""
        self._vfs.before()
        super().xTruncate(newsize)
        self._inode.truncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's
        """Make the file durable, and its name if it is a new log."""
        self._vfs.before()
        log = self._path.endswith("-wal")
        if self._vfs.skip == ("log" if log else "database"):
            return
        self._inode.sync()
        if self._new_name and self._vfs.skip != "folder":
            self._vfs.disk.sync_folder()
        self._new_name = False
        self._vfs.synced(self._path)
