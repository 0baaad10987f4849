"""The append-only record: a file per process, a line per event, one write per line.

What was written survives the SIGKILL of its process at any moment (only power loss could take it). Nothing of it goes
through the engine that is being judged.
"""

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from forebay.produce.context import Context
from forebay.testing.history import events

E = TypeVar("E", bound=events.Event)

_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[events.AnyEvent] = msgspec.json.Decoder(events.AnyEvent)


class Recorder:
    """Writes this process's part of the history kept in `folder`. Safe in threads and after a fork."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open = 0, -1
        # pids of two containers may be equal; where the numbers of calls begin tells their processes apart
        self._calls = itertools.count(int.from_bytes(os.urandom(5)) << 20)

    def write(self, kind: type[E], **fields: Any) -> None:
        """Append one event, stamped with the time and this process."""
        event = kind(at=time.monotonic(), pid=os.getpid(), **fields)
        os.write(self._file(), _encode(event) + b"\n")

    def call(self) -> int:
        """A number for a call whose question and answer are two events."""
        return next(self._calls)

    def start(self, context: Context | None = None) -> None:
        """The task that runs here begins; its first act."""
        delivery = (context or Context.current()).delivery
        self.write(
            events.Started, id=delivery.id, fence=delivery.fence, attempt=delivery.attempt, digest=digest(delivery.body)
        )

    def end(self, context: Context | None = None) -> None:
        """The task that runs here has done its work; its last act, and its only effect."""
        delivery = (context or Context.current()).delivery
        self.write(events.Ended, id=delivery.id, fence=delivery.fence)

    def _file(self) -> int:
        pid, fd = self._open  # together: another thread may be on its way to open one, too
        if pid != os.getpid():  # also after a fork: the parent's file is the parent's
            pid = os.getpid()
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{pid}-{time.monotonic_ns()}.jsonl"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._open = pid, fd
        return fd


def digest(body: bytes) -> str:
    """What stands for a body."""
    return blake2b(body, digest_size=6).hexdigest()


def read(folder: Path) -> Sequence[events.AnyEvent]:
    """The history kept in `folder`, in order of time.

    Raises:
        msgspec.MsgspecError: a line is damaged (half a last line, left by a killed process, is no line).
    """
    return Growing(folder).read()


class Growing:
    """A history that is looked at again and again while it grows; each line is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        self._found: list[events.AnyEvent] = []

    def read(self) -> Sequence[events.AnyEvent]:
        """See `read`, for what was written up to now."""
        for path in sorted(self._folder.glob("*.jsonl")):
            self._found += self._lines(path)
        self._found.sort(key=lambda event: event.at)
        return self._found

    def _lines(self, path: Path) -> Iterator[events.AnyEvent]:
        with path.open("rb") as file:
            file.seek(self._offsets.get(path, 0))
            *whole, torn = file.read().split(b"\n")
            self._offsets[path] = file.tell() - len(torn)
        yield from (_decode.decode(line) for line in whole)
