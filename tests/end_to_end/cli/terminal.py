"""A terminal for tests: a command on a pseudo-terminal, its screen as text, keys that are pressed."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Sequence

from end_to_end.cli.shell import COMMAND, PATIENCE, Shell, eventually
from starts import Started

_CODES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\].*?\x07|[()].)")


class Terminal:
    """What was written to the terminal so far, and a way to type."""

    def __init__(self, process: "Started | subprocess.Popen[bytes]", fd: int) -> None:
        self.process, self._fd = process, fd
        self.raw = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the other side has closed
            while data := os.read(self._fd, 65536):
                self.raw += data.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        return _CODES.sub("", self.raw)

    def until(self, text: str) -> None:
        def there() -> bool:
            over = self.process.poll() is not None
            if over:
                self._reader.join(PATIENCE)
            assert text in self.text or not over, f"ended without {text!r}: {self.text}"
            return text in self.text

        eventually(there, text)

    @property
    def whole_lines(self) -> bool:
        """Whether the terminal is as a shell leaves it: lines, which it shows while they are typed."""
        flags = termios.tcgetattr(self._fd)[3]
        return bool(flags & termios.ICANON and flags & termios.ECHO)

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def ended(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@contextlib.contextmanager
def on_terminal(
    shell: Shell, *words: str, rows: int = 30, columns: int = 140, command: Sequence[str] = COMMAND, **env: str
) -> Iterator[Terminal]:
    """A command on a terminal of that size; it is over when the block is."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    theirs_alone, place = [theirs] * 3, {**shell.env, "TERM": "xterm-256color", **env}
    process: Started | subprocess.Popen[bytes]
    if command is COMMAND:
        process = Started(words, theirs_alone, shell.folder, place, session=True)
    else:
        process = subprocess.Popen(
            [*command, *words],
            cwd=shell.folder,
            env=place,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        terminal._reader.join(PATIENCE)
        os.close(ours)
