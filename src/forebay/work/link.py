"""The wire between a supervisor and its child: one JSON object a line, over a socket pair.

The child says hello, then reports once a second. The parent has signals; on the wire it says only what became of
messages that ran in a process that is gone, for the hooks of one that lives. A socket that closes means that the other
side is gone.
"""

import contextlib
import select
import socket
import threading
from collections.abc import Callable

import msgspec

from forebay.config import Settings
from forebay.engine.contract import Beat
from forebay.model.delivery import Delivery
from forebay.model.errors import (
    BadArguments,
    ConfigError,
    EngineError,
    EngineFull,
    EngineRefused,
    EngineUnreachable,
    ForebayError,
    SchemaTooNew,
    SchemaTooOld,
    UnknownTask,
)
from forebay.model.outcome import Outcome

#: Bytes that a line may have; a stored traceback is the longest thing on it.
LINE = 1024 * 1024
#: Seconds within which a child takes a signal that comes again for the same one; the parent does not insist that fast.
AT_ONCE = 0.05


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The child is up and has its lease.

    Attributes:
        settings: of the engine, from any folder.
        limits: seconds after which each task that has a timeout has to have ended.
        tasks: how many the app has on the queues served.
        hooks: it wants to hear of failed attempts.
    """

    settings: Settings
    beat: Beat
    limits: dict[str, float]
    tasks: int = 0
    hooks: bool = False


class Within(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """I am in this hook of my start or end, which may hang; "" after it."""

    hook: str


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How it goes.

    Attributes:
        waits: while the engine does not answer: ids of what is held here and has not started, or was given up.
        trouble: why the engine does not do what it is asked, in the words of the last failure; "" while it does.
    """

    beat: Beat
    waits: list[str] = []
    trouble: str = ""


class Stuck(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A task that cannot be stopped: kill me, and settle it so."""

    id: str
    outcome: Outcome


class Leaving(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """I end as I was asked to; hand back what I could not stop, once I am gone.

    Attributes:
        unsettled: why there are outcomes that the engine has not taken; "" if it has taken all.
    """

    unsettled: str = ""


class Broken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """I cannot start, or go on: the app cannot be used, or else its engine.

    Attributes:
        kind: which of our errors it was, by name; see `broken`.
        outdated: a newer Forebay has migrated what the engine stores; nobody of this version can go on.
    """

    text: str
    kind: str = ""
    outdated: bool = False

    def error(self) -> ForebayError:
        """It, as whoever asked for a worker hears it: one cause ends each command alike."""
        return _KINDS.get(self.kind, ConfigError)(self.text)


#: What is told apart of the errors that a child ends with; what is none of ours is the app's mistake.
_KINDS = {
    kind.__name__: kind
    for kind in (
        *(BadArguments, ConfigError, EngineError, EngineFull, EngineRefused, EngineUnreachable, ForebayError),
        *(SchemaTooNew, SchemaTooOld, UnknownTask),
    )
}


def broken(error: BaseException) -> Broken:
    """What a child that ends with this error says of it."""
    kind = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS), "")
    return Broken(text=str(error) or repr(error), kind=kind, outdated=isinstance(error, SchemaTooNew))


class Buried(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the parent: an attempt that ended with its process; without its body."""

    delivery: Delivery
    outcome: Outcome


class Known(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The hooks have heard of an attempt that the parent told of; had I ended before, it would be told elsewhere."""

    id: str
    fence: int


Line = Hello | Within | Report | Stuck | Leaving | Broken | Buried | Known

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def parse(raw: bytes) -> Line:
    """One line from a child."""
    line: Line = _decode(raw)
    return line


def encoded(line: Line) -> bytes:
    """One line, with its end."""
    return _encode(line) + b"\n"


class Link:
    """The child's end; safe from any thread."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)
        self._sending = threading.Lock()
        self._ends = select.poll()
        self._ends.register(fd, getattr(select, "POLLRDHUP", 0))  # and that it was hung up, which is always told

    def ended(self) -> bool:
        """Whether the parent is gone, asked of the kernel: no thread has to have noticed."""
        return bool(self._ends.poll(0))

    def send(self, line: Line) -> None:
        """Tell the parent; if it is gone, whoever waits on the socket hears of it."""
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(encoded(line))

    def listen(self, heard: Callable[[Buried], object]) -> None:
        """Block this thread until the parent is gone; `heard` is told here of what it says."""
        with contextlib.suppress(OSError), self._socket.makefile("rb") as said:
            for raw in said:
                with contextlib.suppress(msgspec.MsgspecError):
                    line = parse(raw)
                    if isinstance(line, Buried):
                        heard(line)
