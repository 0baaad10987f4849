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
    for file in _counts():
        with contextlib.suppress(OSError):
            if found := _COUNT.search(file.read_text()):
                return int(found[1])
    return 0


def _counts() -> Iterator[Path]:
    """Where it may be written: of cgroup v2 and v1 on the host, then as a container sees them."""
    with contextlib.suppress(OSError):
        for line in (_PROC / "self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if not kinds:
                yield _GROUPS / path.lstrip("/") / "memory.events"
            elif "memory" in kinds.split(","):
                yield _GROUPS / "memory" / path.lstrip("/") / "memory.oom_control"
    yield _GROUPS / "memory.events"
    yield _GROUPS / "memory/memory.oom_control"
    yield _PROC / "vmstat"
