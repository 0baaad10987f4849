"""This host as the kernel tells it: which one it is, and of a process whether it lives and how much memory it has.

A host is one boot and one space of process ids: a pid says something within both only. Two containers on one machine
are two hosts, whatever they are called.
"""

import errno
import os
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

from forebay.model.ids import new_id

_PROC = Path("/proc")
#: Where the start of a process stands among what the kernel says of it.
_BORN = 19


@cache
def identity() -> str:
    """What is the same for two processes if they see each other's pids: the boot, and the pid namespace.

    Where nobody can tell, it is this process's alone, so that no pid is judged and leases decide.
    """
    boot = _boot()
    if not boot:
        return f"unknown {new_id()}"
    try:
        return f"{boot} {(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:  # macOS, or a kernel without namespaces
        return boot


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        pass
    try:
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]  # macOS
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def alive(pid: int, born: int = 0) -> bool:
    """Whether there is such a process and it can still run; one that waits to be buried by its parent cannot.

    Args:
        born: when it started, see `born`: another process that has its pid now is not it. 0 if that is not known.
    """
    if pid <= 0:  # a number that the kernel takes for a group of processes
        raise ValueError(f"{pid} is no process id")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    stat = _stat(pid)
    return not stat or (stat[0] != "Z" and born in (0, int(stat[_BORN])))


def born() -> int:
    """When this process started, in the kernel's ticks since the host did; 0 if nobody can tell."""
    stat = _stat(os.getpid())
    return int(stat[_BORN]) if stat else 0


def stay(home: int) -> None:
    """End this process if it is not `home`: a task forked it, and all that it came back to belongs to its parent."""
    if os.getpid() != home:
        os._exit(0)


def rss(pid: int | None = None) -> int:
    """Resident memory in bytes; of this process unless `pid` names one of its children. 0 if nobody can tell."""
    try:
        if pid is not None and not _counts_alike():
            return 0
        pages = Path(f"/proc/{pid or 'self'}/statm").read_bytes().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # on Linux for lack of a descriptor alone
        return 0 if pid is not None or sys.platform == "linux" else _peak()


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger holds a child of this process still; no where nobody can tell."""
    return _stat(pid)[:1] in (["T"], ["t"])


def descriptors_used_up() -> int:
    """How many this process may have, if it has all of them: whatever opens a file in it fails. 0 if some are left."""
    try:
        os.close(os.open("/", os.O_RDONLY))
    except OSError as error:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0] if error.errno == errno.EMFILE else 0
    return 0


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; nothing where nobody can tell."""
    if not _counts_alike():
        return []
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _counts_alike() -> bool:
    """Whether /proc is that of this process's own pid namespace; another one's has other processes by these numbers."""
    try:
        return str(Path("/proc/self").readlink()) == str(os.getpid())
    except OSError:
        return False


def _peak() -> int:
    """MacOS tells the peak only, and that of this process only."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
