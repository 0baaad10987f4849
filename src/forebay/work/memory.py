"""How much memory a process has."""

import os
from pathlib import Path


def rss(pid: int | None = None) -> int:
    """Resident memory in bytes; of this process unless `pid` names one of its children. 0 if nobody can tell."""
    try:
        pages = Path(f"/proc/{pid or 'self'}/statm").read_bytes().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak() if pid is None else 0


def _peak() -> int:
    """MacOS tells the peak only, and that of this process only."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
