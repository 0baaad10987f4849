"""What the kernel of this host knows of a process: whether it lives, how much memory it has."""

import os
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether there is such a process and it can still run; one that waits to be buried by its parent cannot."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return _state(pid) != "Z"


def stay(home: int) -> None:
    """End this process if it is not `home`: a task forked it, and all that it came back to belongs to its parent."""
    if os.getpid() != home:
        os._exit(0)


def rss(pid: int | None = None) -> int:
    """Resident memory in bytes; of this process unless `pid` names one of its children. 0 if nobody can tell."""
    try:
        pages = Path(f"/proc/{pid or 'self'}/statm").read_bytes().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak() if pid is None else 0


def _state(pid: int) -> str:
    """The kernel's letter; empty where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _peak() -> int:
    """MacOS tells the peak only, and that of this process only."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
