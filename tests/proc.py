"""Processes as the kernel sees them (Linux): who lives, below whom, with what environment, at what cost."""

import fcntl
import os
import signal
import time
from pathlib import Path


def pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def state_of(pid: int) -> str:
    """The letter of the kernel, such as S, R, T, Z; empty if there is no such process."""
    return (_stat(pid) or [""])[0]


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    return state_of(pid) not in ("", "Z")


def freeze(database: Path, *victims: int) -> None:
    """Stop processes as Ctrl-Z does, at a moment when none of them holds the write lock of that SQLite file."""
    with Path(f"{database}-lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        while any(state_of(pid) != "T" for pid in victims):
            time.sleep(0.001)


def parent_of(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


def cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(pid: int) -> int:
    """How many files it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def marked(name: str, value: object) -> list[str]:
    """Command lines of the processes that were started with such a variable in their environment."""
    entry = f"{name}={value}".encode()
    return [_command(pid) for pid in pids() if entry in environment_of(pid) and alive(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields after the name; none if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
