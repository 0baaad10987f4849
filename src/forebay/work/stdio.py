"""The standard streams of a process that runs tasks: what they print is seen at once, and fails no task.

Owns `sys.stdout` and `sys.stderr`, and that descriptors 0, 1 and 2 are open. What is printed line by line stays whole
lines; what is printed without a line's end is seen within `EVERY` seconds. Whatever stands at the other end: output
that cannot be written (its reader has gone, its disk is full) is dropped, which is said once in the log.
"""

import contextlib
import errno
import io
import logging
import os
import select
import sys
import threading
from pathlib import Path
from time import sleep  # the system's, whatever a task makes of `time.sleep`: the thread here has to rest
from typing import Any

#: Seconds after which an unfinished line is shown, and between looks whether anybody still reads.
EVERY = 0.5
#: The other end has gone for good: programs that tasks start must not meet it either.
_GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.ENOTCONN)
_logger = logging.getLogger("forebay.worker")


def keep_open() -> None:
    """Descriptors 0, 1 and 2 belong to the standard streams: a closed one would go to the next file opened."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free, which is this one


def show_at_once() -> None:
    """Each line when it is printed, and what has no end yet soon after; from now on no print fails for its reader."""
    keep_open()
    outputs = [Output(1, "standard output"), Output(2, "standard error")]
    for output in outputs:
        output.look()
    streams: dict[str, Any] = sys.__dict__
    for name, output in zip(("stdout", "stderr"), outputs, strict=True):
        streams[name] = streams[f"__{name}__"] = _over(streams[name], output)
    with contextlib.suppress(RuntimeError):  # no more threads: whole lines are seen all the same
        threading.Thread(target=_show, args=(outputs,), name="forebay-stdout", daemon=True).start()


class Output(io.FileIO):
    """A descriptor to write to, which takes everything and raises nothing: an error of it is no fault of who prints.

    Args:
        called: its name in the log.
    """

    def __init__(self, fd: int, called: str) -> None:
        super().__init__(fd, "wb", closefd=False)
        self.name = f"<{'stdout' if fd == 1 else 'stderr'}>"
        self._fd, self._called = fd, called
        self._why = ""
        self._told = False

    def write(self, data: Any, /) -> int:
        """See `io.RawIOBase.write`; all of it, or the rest is dropped."""
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        try:
            while rest:
                rest = rest[self._some(rest) :]
        except OSError as error:
            self._lost(error)
        return size

    def _some(self, data: memoryview) -> int:
        """Write what there is room for; whoever stands at the other end may have made this one non-blocking."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            select.select([], [self._fd], [])
            return 0

    def look(self) -> None:
        """Whether the other end has gone, though nobody has written since."""
        poll = select.poll()
        poll.register(self._fd, 0)
        with contextlib.suppress(OSError):
            if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
                self._lost(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))

    def _lost(self, error: OSError) -> None:
        self._why = self._why or error.strerror or type(error).__name__
        if error.errno in _GONE:
            with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._fd)

    def say(self) -> None:
        """Say once that something was dropped."""
        if self._why and not self._told:
            self._told = True
            _logger.warning("%s cannot be written (%s): what is printed there is dropped", self._called, self._why)


def _over(stream: Any, output: Output) -> Any:
    """The same stream, over an output that raises nothing; one that is somebody's own stays as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    buffer: Any = output
    text = io.TextIOWrapper(
        io.BufferedWriter(buffer), stream.encoding, stream.errors, line_buffering=True, write_through=True
    )
    vars(text)["mode"] = "w"
    return text


def _show(outputs: list[Output]) -> None:
    """A thread, for a loop may be busy, and whoever reads may have stopped."""
    while True:
        sleep(EVERY)
        flush()
        for output in outputs:
            output.look()
            output.say()


def flush() -> None:
    """Show what was printed so far; a stream that the user's code has closed or replaced shows what it can."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
