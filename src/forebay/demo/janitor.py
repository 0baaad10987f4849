"""What is left to do when a program ends, whatever ends it: wait for its workers to leave, remove its folder.

Run as a file of its own, in a process of its own (see `room.py`), with nothing but the standard library: it starts at
once and outlives its parent. Knows that its parent has ended from standard input, whose other end only that one has.
"""

import fcntl
import shutil
import sys
import time
from pathlib import Path

#: The file in the folder that its workers write to, and hold locked while they are there.
LOG = "workers.log"
#: Seconds for the workers to leave, and for the folder to go.
LEAVE, REMOVE = 20.0, 5.0
_LOOK = 0.02


def held(folder: Path) -> bool:
    """Whether workers are still there."""
    try:
        with (folder / LOG).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main() -> None:
    """Wait, and clear up; with a second word, the folder stays."""
    folder, keep = Path(sys.argv[1]), len(sys.argv) > 2
    sys.stdin.buffer.read()
    until = time.monotonic() + LEAVE
    while held(folder) and time.monotonic() < until:
        time.sleep(_LOOK)
    until = time.monotonic() + REMOVE
    while not keep and folder.exists() and time.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_LOOK)


if __name__ == "__main__":
    main()
