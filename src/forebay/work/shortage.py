"""Memory that has run out, as Linux tells it: whom the kernel is to end then, and whether it has ended somebody.

It sends SIGKILL, and tells neither the process nor its parent why. It chooses by size: a supervisor with small workers
would be as likely as they, and with it goes a whole fleet.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: By how many thousandths of all memory a process is to look larger than its parent; and what the kernel takes.
_MORE, _MOST = 100, 1_000
_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def offer() -> None:
    """Have the kernel end this process, or what it starts, rather than its parent."""
    with contextlib.suppress(OSError, ValueError):
        file = _PROC / "self/oom_score_adj"
        file.write_text(str(min(_MOST, int(file.read_text()) + _MORE)))


def kills() -> int:
    """How many processes the kernel has ended so far for want of memory: of this control group, or else of this host.

    0 if nobody can tell.
    """
    for file in (*told_of("memory", "memory.events", "memory.oom_control"), _PROC / "vmstat"):
        with contextlib.suppress(OSError):
            if found := _COUNT.search(file.read_text()):
                return int(found[1])
    return 0


def told_of(kind: str, name: str, older: str) -> Iterator[Path]:
    """Where a control group may say so: of cgroup v2 (`name`) and v1 (`older`) on the host, then as in a container."""
    with contextlib.suppress(OSError):
        for line in (_PROC / "self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if not kinds:
                yield _GROUPS / path.lstrip("/") / name
            elif kind in kinds.split(","):
                yield _GROUPS / kind / path.lstrip("/") / older
    yield _GROUPS / name
    yield _GROUPS / kind / older
