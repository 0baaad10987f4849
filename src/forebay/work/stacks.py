"""On QUIT: the stacks of all threads and of the loop's tasks, on standard error; the process goes on."""

import asyncio
import contextlib
import faulthandler
import os
import signal
from collections.abc import Callable, Iterator

_STDERR = 2  # the descriptor, whatever has become of `sys.stderr`


def dump_on_quit(loop: asyncio.AbstractEventLoop, also: Callable[[], object] = bool) -> None:
    """The stacks of all threads, even while C code holds the interpreter; then what only the loop can tell.

    Args:
        also: called after that.
    """

    def told() -> None:
        _dump_rest(loop)
        also()

    loop.add_signal_handler(signal.SIGQUIT, told)
    faulthandler.register(signal.SIGQUIT, file=_STDERR, all_threads=True, chain=True)


def _dump_rest(loop: asyncio.AbstractEventLoop) -> None:
    """The tasks of the loop."""
    for task in asyncio.all_tasks(loop):
        lines = [f"\nTask {task.get_name()} (most recent call last):\n", *_stack(task.get_coro())]
        with contextlib.suppress(OSError):
            os.write(_STDERR, "".join(lines).encode("utf-8", "backslashreplace"))


def _stack(coroutine: object) -> Iterator[str]:
    """Where a coroutine stands, and what it awaits, and what that awaits; a task knows the first of them only."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n'
        coroutine = getattr(coroutine, "cr_await", None)
