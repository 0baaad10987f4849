"""From SQLite's and the system's errors to ours; the cause is kept, and the message says what to do next."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import apsw

from forebay.engine.sqlite import holder, place
from forebay.model.errors import EngineClosed, EngineError, EngineFull, EngineUnreachable, ForebayError

_HINTS: dict[type[BaseException], str] = {
    apsw.ReadOnlyError: "the file or its folder is read-only; give this user write access to both",
    apsw.CorruptError: "the file is damaged; stop the workers and run `forebay doctor`",
    apsw.IOError: "the disk does not answer properly; look at the system's log",
}
_FULL: dict[type[BaseException], str] = {
    apsw.FullError: "no room: the disk is full; free some space; accepted messages are safe, and run then",
}
_UNREACHABLE: dict[type[BaseException], str] = {
    apsw.CantOpenError: "it cannot be opened; does the folder exist, and may this user write there?",
    apsw.NotADBError: "it is not a SQLite database; choose another path",
    apsw.PermissionsError: "this user may not use it",
}


def busy(path: str) -> str:
    """Who keeps others from writing, and what to do."""
    pid = holder.writer(Path(path)) if path else None
    if pid == os.getpid():
        return (
            "a transaction of this very process holds the write lock, on a connection of its own: commit it before "
            "anything else is written, or enqueue within it (in_transaction=connection)"
        )
    if pid is not None:
        return f"{holder.named([pid])} holds the write lock for too long: let it commit, or end it"
    return "another program holds the write lock for too long; close it (a shell in a transaction?)"


_CLOSED = "close the app and open it again, and leave its connections alone"


def translate(error: BaseException, path: str = "") -> BaseException:
    """Our error for one of SQLite's or the system's; anything else comes back as it is."""
    if isinstance(error, OSError) and not isinstance(error, ForebayError):
        return _caused(EngineUnreachable(_said(error, path, _AT_WORK)), error)
    if isinstance(error, ForebayError) or not isinstance(error, apsw.Error):
        return error
    place = f"{path}: " if path else ""
    if isinstance(error, apsw.BusyError):
        return _caused(EngineError(f"{place}{busy(path)} ({error})"), error)
    if isinstance(error, apsw.ConnectionClosedError):
        return _caused(EngineClosed(f"{place}its connection was closed by other code: {_CLOSED}"), error)
    for table, kind in ((_FULL, EngineFull), (_UNREACHABLE, EngineUnreachable), (_HINTS, EngineError)):
        for cause, hint in table.items():
            if isinstance(error, cause):
                return _caused(kind(f"{place}{hint} ({error})"), error)
    return _caused(EngineError(f"{place}SQLite says {type(error).__name__}: {error}"), error)


_SYSTEM = {
    errno.ENOENT: "there is no such folder: create it first, or choose another path",
    errno.ENOTDIR: "a part of its path is a file, not a folder: choose another path",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.EACCES: "this user may not write there: give it write access to the file and its folder",
    errno.EPERM: "this user may not write there: give it write access to the file and its folder",
    errno.EROFS: "its file system is read-only: choose another path",
    errno.ENAMETOOLONG: "its path is too long: choose a shorter one",
    errno.ENOSPC: "the disk is full: free some space",
    errno.ENOLCK: "its file system gives no locks: move it to a disk of this host",
    errno.ENFILE: "this system has too many files open: close some",
    errno.EMFILE: "this process has too many files open: raise `ulimit -n`, or open fewer apps",
}


#: What is meant otherwise once the file has been opened.
_AT_WORK = {
    errno.ENOENT: "it is gone, or its folder is: put it back; nothing was written",
    errno.ENOTDIR: "a part of its path is gone: put it back; nothing was written",
}


def _said(error: OSError, path: str, hints: Mapping[int, str]) -> str:
    hint = hints.get(error.errno or 0) or _SYSTEM.get(error.errno or 0, "can this user use the file and its folder?")
    return f"{error.filename or path}: {hint} ({error.strerror or error})"


#: Bytes that opening takes, for the log and the shared memory beside the file.
_TO_OPEN = 256 * 1024


def unopenable(error: apsw.Error | OSError, path: Path, short: str = "") -> BaseException:
    """Our error for a file that could not be opened; `short` if it is known to be cut, see `cut_short`."""
    if isinstance(error, OSError):
        return _caused(EngineUnreachable(_said(error, str(path), {})), error)
    if short:
        return _caused(EngineUnreachable(f"{path}: {short}"), error)
    if isinstance(error, apsw.IOError) and place.disk(path).free < _TO_OPEN:
        return _caused(EngineUnreachable(f"{path}: {_SYSTEM[errno.ENOSPC]} ({error})"), error)
    ours = translate(error, str(path))
    return ours if isinstance(ours, EngineUnreachable) else _caused(EngineUnreachable(str(ours)), error)


def there(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
        EngineUnreachable: that cannot be told: this user may not enter its folder, or its name is too long.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unopenable(error, path) from error
    return True


def cut_short(header: bytes, there: int) -> str:
    """What to say of a database that has fewer bytes than its own first page says; "" if it has all of them."""
    page = int.from_bytes(header[16:18], "big")
    promised = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
    if there >= promised:
        return ""
    return (
        f"{there:,} of {promised:,} bytes are there: was it copied half, or without its -wal? Copy it again, with "
        f"`forebay backup`"
    )


def _caused(ours: ForebayError, error: BaseException) -> ForebayError:
    ours.__cause__ = error
    return ours
