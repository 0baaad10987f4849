"""What tasks write down about themselves: a line each, appended, which several processes may do at a time."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from forebay import Context


def note(event: str, **more: Any) -> None:
    """Note that something happened to the message that runs here."""
    context = Context.current()
    where = {"pid": os.getpid(), "ppid": os.getppid(), "thread": threading.current_thread().name}
    line = {"event": event, "id": context.id, "task": context.delivery.task, "attempt": context.attempt, **where}
    append({**line, **more})


def append(line: dict[str, Any]) -> None:
    """Note a line, with the time."""
    blob = json.dumps({"time": time.monotonic(), **line}) + "\n"
    fd = os.open(os.environ["FOREBAY_TEST_NOTES"], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, blob.encode())
    finally:
        os.close(fd)


@contextlib.contextmanager
def noted(**more: Any) -> Iterator[None]:
    """Note the start, and how it ended."""
    note("start", **more)
    try:
        yield
    except BaseException as error:
        note("raised", error=type(error).__name__)
        raise
    note("end")
