"""A folder for as long as a program runs, and the leash of its workers: gone afterwards, whatever ended the program.

Promises: after Ctrl-C, TERM and HUP nothing is left when the process has ended; after KILL, soon. One pipe does it:
only this process has its other end. When that closes, the workers leave (`leash.py`), then the janitor clears up.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from types import FrameType

from forebay.demo import janitor

#: Signals that end a program which does not listen to them.
_ENDS = (signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


class Room:
    """The folder, and what ends with it.

    Attributes:
        folder: its absolute path.
        leash: a descriptor to read from, which ends when this process does, or closes the room.
    """

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self.folder = folder.resolve()
        self.leash, self._ours = os.pipe()
        command = [sys.executable, "-I", "-S", janitor.__file__, str(self.folder), *(["keep"] if keep else [])]
        quiet = subprocess.DEVNULL
        self._janitor = subprocess.Popen(
            command, stdin=self.leash, stdout=quiet, stderr=quiet, cwd="/", start_new_session=True
        )

    def close(self) -> None:
        """Let the workers leave, and wait until all is cleared up."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1
        self._janitor.wait()

    def end(self, number: int, _frame: FrameType | None) -> None:
        """A signal handler. Raises nothing: what this process is doing may be left as it is, so it ends at once."""
        for one in _ENDS:
            signal.signal(one, signal.SIG_IGN)
        self.close()
        for stream in (sys.stdout, sys.stderr):
            if stream.isatty():
                os.write(stream.fileno(), _SHOW_CURSOR.encode())
        os._exit(128 + number)


@contextlib.contextmanager
def room(prefix: str, parent: Path | None = None, keep: Path | None = None) -> Generator[Room]:
    """A new folder below `parent` (that for temporary files if None), or the one to `keep`."""
    folder = keep or Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    place = Room(folder, keep=keep is not None)
    before = {number: signal.getsignal(number) for number in _ENDS}
    for number in _ENDS:
        if before[number] is signal.SIG_DFL:  # `nohup` has its reason
            signal.signal(number, place.end)
    try:
        yield place
    finally:
        place.close()
        os.close(place.leash)
        for number, handler in before.items():
            signal.signal(number, handler)
