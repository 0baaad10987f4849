"""Where the file lies: may this user use it, is the disk its own and has it room, can processes wake each other there.

Looks without opening the database, so that it can say what is wrong with a file that cannot be opened.
"""

import logging
import os
import platform
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from forebay.model.errors import EngineUnreachable
from forebay.model.finding import Finding, fail, fine, warn

_logger = logging.getLogger("forebay.sqlite")

#: File systems that other hosts write to: shared memory and locks do not reach across, so two hosts destroy the file.
NETWORK = frozenset({
    "afs", "afpfs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs", "webdav",
})  # fmt: skip
#: File systems by which a virtual machine sees a folder of its host: sound only while one side alone uses the file.
SHARED = frozenset({"9p", "drvfs", "fuse.vmhgfs-fuse", "prl_fs", "vboxsf", "virtiofs"})
#: File systems whose files are gone when the machine restarts.
MEMORY = frozenset({"ramfs", "tmpfs"})
_SHARED = "a folder shared with the host of a virtual machine"
#: Bytes of a path that SQLite takes, less the longest of its suffixes.
LONGEST = 512 - len("-journal") - 1
_BEGINNING = b"SQLite format 3\0"
#: Bytes that a Unix socket's path may have (the smaller of Linux and macOS), and what its name takes below our folder.
_SOCKET_PATH, _SOCKET_NAME = 103, len("-bells/01234567")
#: Times the reserve, below which what is free is worth a word.
SCARCE = 8
#: Bytes kept free on a disk of usual size.
RESERVE = 64 * 1024 * 1024
#: Bytes of log below which working it off all the time costs more than its room is worth.
LEAST_LOG = 128 * 1024


def check(path: Path, mounts: str | None = None) -> None:
    """Whether a database may be opened or made there; a word in the log where it may but should not.

    Raises:
        EngineUnreachable: SQLite cannot name a path of that length, there is something else than a file, the file has
            a second name, or other hosts could write to it.
    """
    if (length := len(os.fsencode(path.absolute()))) > LONGEST:
        raise EngineUnreachable(f"{path}: a path of {length} bytes is too long for SQLite, {LONGEST} are possible")
    mounts = _mounts() if mounts is None else mounts
    if text := two_names(path, mounts):
        raise EngineUnreachable(f"{path} {text[0]}: {text[1]}")
    kind = file_system(path, mounts)
    if kind in NETWORK:
        raise EngineUnreachable(
            f"{path} is on {kind}, a network file system, where two hosts would destroy it: "
            f"move it to a disk of this host"
        )
    if kind in SHARED:
        _logger.warning("%s is on %s, %s: use it from one side only", path, kind, _SHARED)


def check_header(path: Path, header: bytes) -> None:
    """Whether a file that begins like this may be opened. SQLite itself takes one of a few bytes for an empty one.

    Raises:
        EngineUnreachable: it is no database.
    """
    if Path(f"{path}-journal").exists():  # a journal may turn rubbish back into a database
        return
    if header[: len(_BEGINNING)] not in (b"", _BEGINNING):
        raise EngineUnreachable(f"{path}: it is not a SQLite database; choose another path")


def two_names(path: Path, mounts: str) -> tuple[str, str] | None:
    """What is wrong with a file that has two names, and what to do: each would have a log and locks of its own."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None if stat.S_ISDIR(found.st_mode) else ("is no regular file", "choose another path")
    if found.st_nlink > 1:
        text = f"has {found.st_nlink} names (hard links)"
        return text, f"keep one, delete the others (`find / -xdev -inum {found.st_ino}` lists them), or copy the file"
    if str(path.resolve()) in {point for point, _ in _points(mounts)}:
        return "is mounted by itself, and has another name elsewhere", "mount its folder, with all that lies in it"
    return None


class Disk(NamedTuple):
    """The disk that a file is on, in bytes.

    Attributes:
        reserve: what is kept free for settling when new messages are refused already; a tenth of a small disk.
        log: what the write-ahead log may take before it is worked off. It is worked off into the file, which may grow
            by as much meanwhile, so the reserve is several times that.
    """

    free: int
    reserve: int
    log: int


def disk(path: Path) -> Disk:
    """How much room there is."""
    found = os.statvfs(path.absolute().parent)
    if not found.f_blocks:  # a file system that does not tell
        return Disk(sys.maxsize, 0, RESERVE // 4)
    reserve = min(RESERVE, found.f_blocks * found.f_frsize // 10)
    return Disk(found.f_bavail * found.f_frsize, reserve, max(reserve // 4, LEAST_LOG))


def look(path: Path) -> Iterator[Finding]:
    """All findings about the place; ends early if there is no usable file."""
    found = _file(path)
    yield found
    if found.advice:
        return
    yield _kind(file_system(path))
    yield _room(disk(path))
    yield _wake_up(path)


def _file(path: Path) -> Finding:
    path = path.absolute()
    folder = path.parent
    if not path.exists():
        return fail("file", f"{path}: no such file", "name the app with -A or the file with --url, or enqueue first")
    if path.is_dir():
        return fail("file", f"{path} is a folder", "name a file in it")
    if text := two_names(path, _mounts()):
        return fail("file", f"{path} {text[0]}", text[1])
    if not os.access(path, os.R_OK | os.W_OK):
        return fail("file", f"{path}: this user may not read and write it", "chown or chmod it, or run as its owner")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        advice = "the log and lock files live beside the database: let this user write in the folder"
        return fail("file", f"{folder}: this user may not write in it", advice)
    return fine("file", f"{path}, {path.stat().st_size / 1e6:,.1f} MB, mode {path.stat().st_mode & 0o777:o}")


def _kind(kind: str) -> Finding:
    if kind in NETWORK:
        advice = "move the file to a disk of this host; for several hosts take an engine with a server"
        return fail("disk", f"{kind} is a network file system: its locks and shared memory do not hold", advice)
    if kind in SHARED:
        return warn(
            "disk", f"{kind} is {_SHARED}", "use it from one side only, or move the file to a disk of this system"
        )
    if kind in MEMORY:
        return warn("disk", f"{kind} lives in memory: all is lost at a restart", "move the file to a real disk")
    return fine("disk", f"local file system {kind}".rstrip())


def _room(found: Disk) -> Finding:
    text = f"{found.free / 1e9:,.1f} GB free"
    if found.free < found.reserve:
        return fail("space", f"{text}: new messages are refused", "free some; what was accepted can still be settled")
    if found.free < SCARCE * found.reserve:
        return warn("space", text, f"free some: below {found.reserve / 1e6:,.0f} MB new messages are refused")
    return fine("space", text if found.reserve else "the file system does not tell how much is free")


def _wake_up(path: Path) -> Finding:
    length = len(os.fsencode(path)) + _SOCKET_NAME
    if length > _SOCKET_PATH:
        text = f"sockets beside the file would have a path of {length} bytes, {_SOCKET_PATH} are possible"
        return warn("wake-up", f"{text}: workers only look once per `poll`", "choose a shorter path")
    return fine("wake-up", "by listening")


def file_system(path: Path, mounts: str | None = None) -> str:
    """The kind of file system a path is on; "" if it cannot be told.

    Args:
        mounts: what the system says of its mounts, in the form of /proc/self/mountinfo; asked for if None.
    """
    if mounts is None:
        mounts = _mounts()
    kind, longest = "", -1
    target = f"{path.resolve()}/"
    for point, name in _points(
        mounts
    ):  # as texts: a container has hundreds, and this is done whenever a file is opened
        if target.startswith(f"{point}/") and len(point) >= longest:
            kind, longest = name, len(point)
    return kind


def _points(mounts: str) -> Iterator[tuple[str, str]]:
    """Where something is mounted, "" for the root, and the kind of its file system."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) >= 5 and after:
            yield _unescaped(fields[4]).rstrip("/"), after.split(" ")[0]


def _unescaped(field: str) -> str:
    r"""The system writes a space in a path as \040, and the like."""
    if "\\" not in field:
        return field
    octal = re.compile(rb"\\([0-7]{3})")
    return os.fsdecode(octal.sub(lambda found: bytes([int(found[1], 8)]), os.fsencode(field)))


def _mounts() -> str:
    """The mounts, in the form of /proc/self/mountinfo as far as it is read here."""
    if platform.system() != "Darwin":
        try:
            return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        except OSError:
            return ""
    import subprocess

    listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False).stdout
    lines: list[str] = []
    for line in listed.splitlines():  # /dev/disk3s1 on /System/Volumes/Data (apfs, local, journaled)
        point, _, flags = line.partition(" on ")[2].rpartition(" (")
        lines.append(f"0 0 0 / {point.replace(' ', chr(92) + '040')} - {flags.split(',')[0].rstrip(')')}")
    return "\n".join(lines)
