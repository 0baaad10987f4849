"""What our processes say on standard error: log lines, and stacks when somebody asks with QUIT."""

import asyncio
import contextlib
import faulthandler
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from typing import ClassVar


def configure_logging() -> None:
    """Our log on standard error, unless the user's code has set up its own."""
    if not logging.getLogger().handlers:
        form = "%(asctime)s %(process)d %(levelname).1s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_Printable(form))


class _Printable(logging.Formatter):
    """Foreign text (a task's name, what an exception says) reaches no terminal with anything that it would act on."""

    _CONTROLS: ClassVar = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if chr(n) not in "\n\t"}

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).translate(self._CONTROLS)


def dump_on_quit(loop: asyncio.AbstractEventLoop) -> None:
    """On QUIT: the stacks of all threads, even while C code holds the interpreter; then what only the loop can tell."""
    loop.add_signal_handler(signal.SIGQUIT, _dump_rest, loop)
    faulthandler.register(signal.SIGQUIT, all_threads=True, chain=True)


def _dump_rest(loop: asyncio.AbstractEventLoop) -> None:
    """The tasks of the loop, and, by the same signal, the processes of `cpu=True` tasks."""
    for task in asyncio.all_tasks(loop):
        sys.stderr.write(f"\nTask {task.get_name()} (most recent call last):\n")
        sys.stderr.writelines(_stack(task.get_coro()))
    sys.stderr.flush()
    for process in multiprocessing.active_children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGQUIT)


def _stack(coroutine: object) -> Iterator[str]:
    """Where a coroutine stands, and what it awaits, and what that awaits; a task knows the first of them only."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n'
        coroutine = getattr(coroutine, "cr_await", None)
