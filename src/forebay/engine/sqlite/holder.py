"""Who holds a file's lock, in words: what Linux tells in /proc."""

import contextlib
import os
from pathlib import Path

_STATES = {"T": "stopped", "t": "stopped by a debugger", "D": "waiting for a disk", "Z": "dead, and not yet reaped"}


def holder(fd: int) -> str:
    """The process that holds the `flock` of an open file, and how it is; "another process" if nobody can say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and int(words[5].rsplit(":", 1)[1]) == os.fstat(fd).st_ino:
                return _described(int(words[4]))
    return "another process"


def _described(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
    how = f", {_STATES[state]}" if state in _STATES else ""
    return f"process {pid} ({name}{how})"
