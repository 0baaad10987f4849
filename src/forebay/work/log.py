"""The log of our processes on standard error, unless the user's code has set up logging of its own: then theirs counts.

A log never stops the work: whoever does not read it (a paused terminal, a full pipe) costs lines, past a bound, and not
heartbeats. A line stays whole, whoever else of the fleet writes. Owns where lines go; what they look like is
`forebay.work.records`.
"""

import logging
import os
import select
import sys
from collections import deque

from forebay.config import WorkerOptions
from forebay.work.records import Json, Text
from forebay.work.remarks import Warned, tell_ignored
from forebay.work.turn import Turn

#: Lines that are kept for a reader who has stopped; past them the oldest are dropped, and counted.
BACKLOG = 1_000
#: Seconds that a line waits for a slow reader, and what a pipe takes at once if it takes anything.
PATIENCE, PIPE = 1.0, 4096
_STDERR = 2
_logger = logging.getLogger("forebay.worker")


class Log:
    """Logging of one process: `Log(options)` before the user's code is imported, `settle()` after.

    Until `settle`, our handler is the last resort, which any handler of theirs replaces.

    Args:
        patience: seconds that a line waits for a slow reader.
    """

    def __init__(self, options: WorkerOptions, patience: float = PATIENCE) -> None:
        self._json = options.log_format == "json"
        self._level = logging.getLevelNamesMapping()[options.log_level.upper()]
        self._handler = Stderr(patience)
        self._handler.setFormatter(Json() if self._json else Text())
        logging.lastResort = self._handler
        self._warned = Warned()
        if self._json:
            self._warned.take()
        tell_ignored()
        logging.getLogger().setLevel(self._level)
        if options.verbose:
            _logger.setLevel(min(self._level, logging.INFO))

    def settle(self) -> bool:
        """Ours for all records, if the user's code has set up no other; whether it is ours. May be called again."""
        root = logging.getLogger()
        _enable()
        others = [handler for handler in root.handlers if handler is not self._handler]
        ours = self._nobodys(others)
        for handler in others if ours else [self._handler]:
            root.removeHandler(handler)
        if ours and self._handler not in root.handlers:
            root.addHandler(self._handler)
        if ours and self._json:
            self._warned.take()
        else:
            self._warned.leave()
        return ours

    def flush(self) -> None:
        """What a slow reader has not had yet; waits a moment."""
        self._handler.flush()

    def _nobodys(self, handlers: list[logging.Handler]) -> bool:
        """Whether nobody chose these: none, or the one that `logging.info()` and its like put there unasked."""
        if not handlers:
            return True
        first: object = handlers[0]
        form = handlers[0].formatter
        plain = isinstance(first, logging.StreamHandler) and vars(first).get("stream") is sys.stderr
        unasked = plain and form is not None and form._fmt == logging.BASIC_FORMAT
        return len(handlers) == 1 and unasked and logging.getLogger().level == self._level


def configure_logging(options: WorkerOptions | None = None, patience: float = PATIENCE) -> Log:
    """Ours at once, where none of the user's code has been imported, or is going to be."""
    log = Log(options or WorkerOptions(), patience)
    log.settle()
    return log


class On:
    """`Logger.isEnabledFor` of a logger that nobody switches off.

    `dictConfig` and `fileConfig` do that to all that were there before them, unless told otherwise: where an app is
    imported, or in a task much later (that brings a database up to date by Alembic, say).
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger, self._asked = logger, logger.isEnabledFor

    def __call__(self, level: int) -> bool:
        self._logger.disabled = False
        return self._asked(level)


def _enable() -> None:
    """Ours, from now on."""
    for name, logger in logging.root.manager.loggerDict.items():
        if not isinstance(logger, logging.Logger) or name.partition(".")[0] != "forebay":
            continue
        if not isinstance(logger.isEnabledFor, On):
            vars(logger)["isEnabledFor"] = On(logger)


class Stderr(logging.Handler):
    """Whole lines to descriptor 2, whatever has become of `sys.stderr`; never waits for long, never raises."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self._patience = patience
        self._lines: deque[bytes] = deque()
        self._begun = False  # the first of them is what is left of a line
        self._dropped = 0
        self._stalled = False
        self._turn = Turn(_STDERR)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        try:
            self._lines.append(self._encoded(record))
        except Exception as error:  # noqa: BLE001 - a log must not fail its caller
            told = f"a log record of {record.name} cannot be written: {type(error).__name__}"
            self._lines.append(self._encoded(_said(told)))
        self._write(0.0 if self._stalled else self._patience)
        while len(self._lines) > BACKLOG:
            del self._lines[int(self._begun)]
            self._dropped += 1

    def flush(self) -> None:
        """See `logging.Handler`."""
        self.acquire()
        try:
            self._write(PATIENCE, force=True)
        finally:
            self.release()

    def _encoded(self, record: logging.LogRecord) -> bytes:
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        return f"{self.format(record)}\n".encode(encoding, "backslashreplace")

    def _write(self, patience: float, *, force: bool = False) -> None:
        self._stalled = not self._turn.take(patience, force=force)
        if self._stalled:
            return
        self._write_lines(patience)
        if not self._begun:
            self._turn.leave()

    def _write_lines(self, patience: float) -> None:
        at_once = self._turn.at_once()
        while self._lines:
            self._stalled = not _writable(patience)
            if self._stalled:
                return
            if self._dropped and not self._begun:
                self._lines.appendleft(
                    self._encoded(_said(f"{self._dropped} lines were dropped here: nobody read this log"))
                )
                self._dropped = 0
            line = self._lines[0]
            try:
                written = os.write(_STDERR, line if at_once else line[:PIPE])
            except BlockingIOError:
                self._stalled = True
                return
            except OSError:  # closed, or its disk is full
                written = len(line)
            self._begun = written < len(line)
            if self._begun:
                self._lines[0] = line[written:]
            else:
                self._lines.popleft()


def _said(text: str) -> logging.LogRecord:
    told = {"name": _logger.name, "levelno": logging.WARNING, "levelname": "WARNING", "process": os.getpid()}
    return logging.makeLogRecord({**told, "msg": text})


def _writable(patience: float) -> bool:
    try:
        return bool(select.select([], [_STDERR], [], patience)[1])
    except (OSError, ValueError):  # closed: writing will say so
        return True
