"""The app whose workers the faults strike: `-A forebay.testing.faults.crew`, with its engine named by FOREBAY_URL.

Every task writes down its own start and, as its only effect, its own end. Some do harm in between, on purpose.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import time

from forebay.app import Forebay
from forebay.model.errors import ForebayError
from forebay.produce.context import Context
from forebay.testing.history import Recorder, folder_of

app = Forebay("sqlite:///faults.db")
_recorder = Recorder(folder_of(app.settings.url))


@app.task(queue="work")
async def work(context: Context, number: int, seconds: float = 0.0) -> int:
    """Take so long, on the loop."""
    _recorder.start(context)
    await asyncio.sleep(seconds)
    _recorder.end(context)
    return number


@app.task(queue="work")
async def padded(context: Context, number: int, padding: str) -> None:
    """Carry weight."""
    _recorder.start(context)
    _recorder.end(context)
    context.log.debug("message %d carried %d characters", number, len(padding))


@app.task(queue="work")
def in_thread(context: Context, number: int, seconds: float = 0.0) -> int:
    """Take so long, in a thread."""
    _recorder.start(context)
    time.sleep(seconds)
    _recorder.end(context)
    return number


@app.task(queue="work", cpu=True)
def in_process(context: Context, number: int, seconds: float = 0.0) -> int:
    """Take so long, in a process."""
    _recorder.start(context)
    time.sleep(seconds)
    _recorder.end(context)
    return number


@app.task(queue="work")
async def hold_interpreter(context: Context, number: int, seconds: float = 0.0) -> int:
    """Sleep in C code without letting go of the interpreter: no other thread of this process runs meanwhile."""
    _recorder.start(context)
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    _recorder.end(context)
    return number


@app.task(queue="work")
async def die_unsettled(context: Context, number: int) -> int:
    """Do the work, and die before anybody could hear of it; the second run lives."""
    _recorder.start(context)
    _recorder.end(context)
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@app.task(queue="work", retry=1, timeout=0.5, grace=0.5)
async def poison(context: Context, number: int, how: str) -> None:
    """End this process, or its usefulness, whenever it runs."""
    _recorder.start(context)
    match how:
        case "exit":
            os._exit(1)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            while True:  # a loop without an end, which the timeout has to end
                number += 1


@app.task(queue="work", retry=1, timeout=0.1, grace=20.0)
def use_the_queue(context: Context, number: int) -> None:
    """Enqueue, ask and wait until the timeout strikes, with one message by its side that is always the same."""
    _recorder.start(context)
    child = work.using(id=f"of-{context.id}")
    while True:
        handle = child.enqueue(number=number)
        work.enqueue_many([work.call(number=number).using(id=handle.id)])
        context.progress(number)
        handle.status()
        with contextlib.suppress(ForebayError):
            handle.result(timeout=0.01)
