"""Log records as lines: text for people, JSON for programs. The message that a record is about goes with it.

Promises: one record is one line (a traceback's lines follow it, indented), and no text of others can begin a line that
looks like one of ours or change how one is shown. Does not decide what is logged, or where it goes.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from forebay.model.errors import name_of
from forebay.model.plain import printable
from forebay.produce.context import running

#: What every record has; all else came with `extra=`, and is a field.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
TRACE = "traceback"


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the record says beside its text: its extras, and the message whose task runs where it was made."""
    extras = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    context = running()
    if context is None:
        return extras
    delivery = context.delivery
    here = {"message_id": delivery.id, "task": delivery.task, "queue": delivery.queue, "attempt": delivery.attempt}
    return {**here, **extras}


class Text(logging.Formatter):
    """Time, process, level, logger, message; which task and message it is about, unless the text names it."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        also, said = fields(record), _message(record)
        place = ""
        if "message_id" in also and str(also["message_id"]) not in said:
            place = f" [{also.get('task', '')} {also['message_id']} #{also.get('attempt', '?')}]"
        line = f"{self.formatTime(record)} {record.process} {record.levelname[:1]} {record.name}{place}: {said}"
        trace = _trace(self, record).splitlines()
        return "\n".join([printable(line), *(f"    {printable(part)}" for part in trace)])


class Json(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, pid, all fields, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        also = fields(record)
        trace = _trace(self, record)
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "pid": record.process,
        }
        rest = {name: value for name, value in also.items() if name not in line} | ({TRACE: trace} if trace else {})
        try:
            return json.dumps(line | rest, default=_text, allow_nan=False)
        except (TypeError, ValueError, RecursionError):  # fields that JSON does not have, at some depth
            return json.dumps(line | {name: _text(value) for name, value in rest.items()})


def _message(record: logging.LogRecord) -> str:
    """What it says; arguments that do not fit or cannot be printed are told, for a log must not fail its caller."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - their __str__ may do anything
        return f"{_text(record.msg)} (its arguments cannot be printed: {name_of(error)})"


def _trace(form: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback, from here or, as text, from the process where it was; and the stack, if one was asked for."""
    parts = [record.exc_text or ""]
    if not record.exc_text and record.exc_info and record.exc_info[0] is not None:
        parts = [_exception(form, record)]
    return "\n".join(part for part in (*parts, record.stack_info or "") if part)


def _exception(form: logging.Formatter, record: logging.LogRecord) -> str:
    try:
        return form.formatException(record.exc_info)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - their __str__ may do anything
        return f"(its traceback cannot be made: {name_of(error)})"


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - their __str__ may do anything
        return f"(cannot be printed: {name_of(error)})"
