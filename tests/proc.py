"""Processes as the kernel sees them (Linux): who lives, below whom, with what environment, at what cost."""

import fcntl
import os
import signal
import time
from pathlib import Path


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - as in `_read`


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
    return _read(pid, "environ").split(b"\0")


def marked(name: str, value: object) -> list[str]:
    """Command lines of the processes that were started with such a variable in their environment."""
    entry = f"{name}={value}".encode()
    return [_command(pid) for pid in pids() if entry in environment_of(pid) and alive(pid)]


def _command(pid: int) -> str:
    return _read(pid, "cmdline").decode("utf-8", "replace").replace("\0", " ")


def _stat(pid: int) -> list[str]:
    """The fields after the name; none if there is no such process."""
    return _read(pid, "stat").decode("utf-8", "replace").rpartition(")")[2].split()


def _read(pid: int, name: str) -> bytes:
    """All that stands there; nothing if the process is gone, or another user's. Asked for hundreds at a time."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - a path takes longer than the rest
            return file.readall()
    except OSError:
        return b""
