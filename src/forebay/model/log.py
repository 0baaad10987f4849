"""Our own loggers never raise: a log handler of the user's that fails costs no worker, no settle and no line.

What a handler has raised is told once for each kind, on standard error, and so are the lines that went down with it.
What tasks log by loggers of their own is not touched.
"""

import logging
from collections.abc import Callable

#: Every logger that Forebay writes to.
NAMES = tuple(
    f"forebay.{name}"
    for name in [
        "audit",
        "config",
        "dev",
        "engine",
        "keeper",
        "limits",
        "outage",
        "outbox",
        "postgres",
        "pressure",
        "provider",
        "redis",
        "rules",
        "sqlite",
        "supervisor",
        "task",
        "testing",
        "worker",
    ]
)
#: Kinds of failures that are remembered as told.
_KINDS = 100
_told: set[str] = set()


class Guard:
    """`Logger.handle` of one logger, without its exceptions."""

    def __init__(self, handle: Callable[[logging.LogRecord], None]) -> None:
        self._handle = handle

    def __call__(self, record: logging.LogRecord) -> None:
        try:
            self._handle(record)
        except Exception as error:  # noqa: BLE001 - a log never stops the work
            _rescue(record, error)


def guard() -> None:
    """Guard all of ours; may be called again."""
    for name in NAMES:
        logger = logging.getLogger(name)
        if not isinstance(logger.handle, Guard):
            vars(logger)["handle"] = Guard(logger.handle)


def _rescue(record: logging.LogRecord, error: Exception) -> None:
    """The line on standard error, where no handler of theirs is in the way, and why it stands there."""
    last = logging.lastResort
    if last is None:
        return
    kind = f"{type(error).__name__}: {error}"
    lines = [record] if record.levelno >= last.level else []
    if kind not in _told and len(_told) < _KINDS:
        _told.add(kind)
        lines.append(_failed(record, kind, error))
    for line in lines:
        try:
            last.handle(line)
        except Exception:  # noqa: BLE001, S112 - a record that nobody can write
            continue


def _failed(record: logging.LogRecord, kind: str, error: Exception) -> logging.LogRecord:
    text = f"a log handler failed at a record of {record.name} ({kind}): its lines go to standard error"
    trace = (type(error), error, error.__traceback__)
    return logging.LogRecord(record.name, logging.ERROR, __file__, 0, text, (), trace)
