"""Whose the files of a database are: what lies beside it belongs to its owner and group and has its rights.

A new database is its owner's alone, unless its folder lets a group write there (and not everybody): then it is that
group's too, whatever the umask says. Root who only looks leaves nothing behind that the owner cannot use. Never follows
a link, and gives nothing away that is not a plain file or folder of its own.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

_OWN = 0o600
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Rights(NamedTuple):
    """Owner, group and mode of a plain file."""

    uid: int
    gid: int
    mode: int


def of_new(folder: os.stat_result, uid: int, gid: int) -> Rights:
    """The rights of a database that a user makes in a folder."""
    if folder.st_mode & stat.S_IWGRP and not folder.st_mode & stat.S_IWOTH:
        return Rights(uid, folder.st_gid, _OWN | 0o060)
    return Rights(uid, gid, _OWN)


def beside(database: os.stat_result) -> Rights:
    """The rights of what lies beside a database: reading and writing for those who may do both with it."""
    mode = _OWN
    for both in (0o060, 0o006):
        mode |= both if database.st_mode & both == both else 0
    return Rights(database.st_uid, database.st_gid, mode)


def create(path: Path) -> None:
    """Make an empty database that does not exist yet; another process may be quicker.

    Raises:
        OSError: this user may not, or there is no such folder.
    """
    folder = path.parent.stat()
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, _OPEN | os.O_EXCL, _OWN)
        try:
            _give(fd, of_new(folder, os.geteuid(), os.getegid()))
        finally:
            os.close(fd)


def opened(path: Path, rights: Rights) -> int:
    """A descriptor of a file beside a database, made if it is not there.

    Raises:
        OSError: this user may not, or it is a link.
    """
    fd = os.open(path, _OPEN, _OWN)
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.fstat(fd).st_mode) and os.fstat(fd).st_nlink <= 1:
            _give(fd, rights)
    return fd


def hand_over(path: Path, rights: Rights) -> None:
    """Give the rights of a database to what SQLite or a socket made beside it; what cannot be given stays as it is."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
            return
        mode = rights.mode | (rights.mode & 0o444) >> 2 if stat.S_ISDIR(found.st_mode) else rights.mode
        _change_owner(path, found, rights)
        if stat.S_IMODE(found.st_mode) & 0o777 != mode:
            path.chmod(mode)


def _give(fd: int, rights: Rights) -> None:
    found = os.fstat(fd)
    with contextlib.suppress(PermissionError):
        _change_owner(fd, found, rights)
        if stat.S_IMODE(found.st_mode) != rights.mode:
            os.fchmod(fd, rights.mode)


def _change_owner(file: int | Path, found: os.stat_result, rights: Rights) -> None:
    """Root gives it to the owner; anybody else can choose among the groups of their own."""
    uid = rights.uid if os.geteuid() == 0 else -1
    if found.st_gid != rights.gid or uid not in (-1, found.st_uid):
        os.chown(file, uid, rights.gid)
