"""The app of these tests: each task does one thing, and notes when it starts, goes on and ends."""

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import apsw
from notes import append, note, noted

from forebay import Context, DeadLetter, Forebay, Message, Retry, Snooze, TimeLimit

app = Forebay()
quick = Retry(max_attempts=3, base=0.01, cap=0.01)
short = {"timeout": 0.4, "grace": 0.4, "retry": 1}
#: For what is to end in time as well, however busy the machine is.
limited = {"timeout": 3, "grace": 3, "retry": 1}


# --- tasks that take their time, one of each kind ---


@app.task
async def nap(seconds: float) -> int:
    with noted():
        for _ in range(int(seconds / 0.02)):
            await asyncio.sleep(0.02)
            note("tick")
    return os.getpid()


@app.task
def doze(seconds: float) -> int:
    with noted():
        for _ in range(int(seconds / 0.02)):
            time.sleep(0.02)
            note("tick")
    return os.getpid()


@app.task
async def nap_until(mark: str) -> int:
    """Until there is such a file: for as long as a test needs it, however slow its machine is."""
    with noted():
        while not Path(mark).exists():  # noqa: ASYNC240 - a look at a name takes no time
            await asyncio.sleep(0.02)
            note("tick")
    return os.getpid()


@app.task
def doze_until(mark: str) -> int:
    with noted():
        while not Path(mark).exists():
            time.sleep(0.02)
            note("tick")
    return os.getpid()


@app.task(cpu=True, queue="cpu")
def grind(seconds: float) -> int:
    with noted():
        for _ in range(int(seconds / 0.02)):
            time.sleep(0.02)
            note("tick")
    return os.getpid()


@app.task(cpu=True, queue="cpu")
def echo(text: str) -> str:
    with noted():
        return text


@app.task(cpu=True)
def grind_among_others(seconds: float) -> None:
    with noted():
        time.sleep(seconds)


# --- tasks that cannot be stopped ---


@app.task
async def block_the_loop(seconds: float) -> None:
    with noted():
        time.sleep(seconds)  # noqa: ASYNC251 - what it is here for


@app.task
def hold_the_interpreter(seconds: float) -> None:
    """C code that does not let go of the GIL."""
    with noted():
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))


@app.task
def sleep_in_c(seconds: float) -> None:
    with noted():
        time.sleep(seconds)


# --- tasks with a time limit ---


@app.task(**limited)
async def limited_async(seconds: float) -> None:
    with noted():
        await asyncio.sleep(seconds)


@app.task(**limited)
def limited_thread(seconds: float) -> None:
    with noted():
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(0.01)


@app.task(cpu=True, queue="cpu", **limited)
def limited_process(seconds: float) -> None:
    with noted():
        time.sleep(seconds)


@app.task(timeout=0.4, grace=30)
def tidies_up() -> str:
    try:
        while True:
            time.sleep(0.01)
    except TimeLimit:
        return "tidied up"


@app.task(**short)
async def never_yields() -> None:
    with noted():
        while True:
            pass


@app.task(**short)
def never_returns() -> None:
    with noted():
        time.sleep(1000)


@app.task(timeout=0.4, grace=0.4, retry=1, queue="gil")
def never_lets_go() -> None:
    with noted():
        ctypes.PyDLL(None).sleep(1000)


@app.task(cpu=True, queue="cpu", **short)
def never_returns_in_a_process() -> None:
    with noted():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        time.sleep(1000)


# --- tasks that kill ---


@app.task
async def kill_the_worker() -> None:
    with noted():
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(retry=2)
def kill_the_worker_once(context: Context) -> str:
    with noted():
        if context.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"attempt {context.attempt}"


@app.task(retry=1)
def break_a_thread_of_ours() -> None:
    """As if a flaw of ours had ended one of the threads that a worker cannot do without."""
    with noted():
        threading.Thread(target=lambda: 1 / 0, name="forebay-test").start()
        time.sleep(20)


@app.task
def kill_the_supervisor() -> None:
    """The parent of its worker, from whichever process it runs in."""
    with noted():
        status = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
        parent = os.getppid()
        if b"forebay.work.child" in status:
            parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        time.sleep(20)


@app.task(cpu=True, queue="cpu")
def kill_the_process() -> None:
    with noted():
        os.kill(os.getpid(), signal.SIGSEGV)


@app.task
def leave_a_daemon(seconds: float) -> None:
    """A process in a session of its own, with all that the worker had open."""
    with noted():
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
        time.sleep(seconds)


@app.task(at_most_once=True)
async def kill_the_worker_at_most_once() -> None:
    with noted():
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
def hang_the_connection() -> None:
    """What a network file system that does not answer would do to this worker alone."""
    with noted():
        app.backend.engine._db.writer._commit = lambda _: threading.Event().wait()


@app.task
def close_the_connections() -> None:
    with noted():
        for thing in gc.get_objects():
            if isinstance(thing, apsw.Connection):
                thing.close()


@app.task
def keep_a_second_library_open() -> None:
    with noted():
        kept_open.append(sqlite3.connect(app.settings.url.removeprefix("sqlite:///")))


kept_open: list[sqlite3.Connection] = []


# --- tasks that a stray signal meets ---


@app.task(cpu=True, queue="cpu", timeout=60)
def send_a_stray_signal() -> None:
    with noted():
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(20)


# --- tasks that fail, each in its way ---


class Untraceable(Exception):
    @property
    def __traceback__(self):
        raise RuntimeError("no traceback")

    @property
    def __cause__(self):
        raise RuntimeError("no cause")


@app.task(retry=1)
def fail_untraceably() -> None:
    raise Untraceable("look elsewhere")


@app.task(retry=1)
async def fail_untraceably_on_the_loop() -> None:
    raise Untraceable("look elsewhere")


@app.task(retry=1, cpu=True, queue="cpu")
def fail_untraceably_apart() -> None:
    raise Untraceable("look elsewhere")


# --- and the others that fail ---


@app.task(retry=Retry(max_attempts=4, base=0.2, cap=0.2))
async def fail() -> None:
    with noted():
        raise ValueError("it is broken")


@app.task(retry=Retry(max_attempts=9, base=0.01, rules={KeyError: Retry.never(), OSError: Retry(3, base=0.01)}))
async def fail_by_rule(kind: str) -> None:
    with noted():
        raise {"key": KeyError, "os": ConnectionError}[kind](kind)


@app.task(retry=2)
async def ask_for_another_try(context: Context, after: float) -> str:
    with noted():
        if context.attempt == 1:
            raise Retry(after=after)
        return "second try"


@app.task(retry=Retry(max_attempts=1000, base=0.3, cap=0.3, max_age=3))
async def fail_until_too_old() -> None:
    with noted():
        raise ValueError("still broken")


@app.task
async def give_up() -> None:
    raise DeadLetter("this will never work")


@app.task(retry=1)
async def snooze_twice(context: Context) -> int | Snooze:
    with noted():
        if len(context.delivery.headers or {}) == 0 and snoozed(context) < 2:
            return Snooze(0.05)
        return context.attempt


def snoozed(context: Context) -> int:
    """How often this message has started before."""
    lines = Path(os.environ["FOREBAY_TEST_NOTES"]).read_text("utf-8").splitlines()
    return sum('"start"' in line and context.id in line for line in lines) - 1


# --- results, progress, raw messages ---


@app.task
def add(a: int, b: int) -> int:
    return a + b


@app.task(result_ttl=2)
def forget_soon() -> str:
    return "soon forgotten"


@app.task
async def tell_progress(context: Context) -> None:
    with noted():
        context.progress({"done": 1, "of": 2})
        await asyncio.sleep(1000)


@app.task(cpu=True, queue="cpu")
def tell_progress_from_a_process(context: Context) -> None:
    with noted():
        context.progress(50)
        time.sleep(1000)


@app.task(queue="ranked")
async def ranked(name: str) -> None:
    with noted(name=name):
        pass


@app.task(queue="leak")
def keep_memory(megabytes: int) -> int:
    kept.append(bytearray(os.urandom(1024)) * (megabytes * 1024))
    return os.getpid()


@app.task(queue="leak", cpu=True, name="keep_memory_in_a_process")
def keep_memory_apart(megabytes: int) -> int:
    kept.append(bytearray(os.urandom(1024)) * (megabytes * 1024))
    return os.getpid()


kept: list[bytearray] = []


@app.task(queue="leak")
def keep_descriptors() -> int:
    """All that this process may have."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.suppress(OSError):
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    return os.getpid()


opened: list[int] = []


@app.consume("clicks", batch=10, max_wait=0.05, retry=quick)
async def load(messages: list[Message]) -> None:
    append({"event": "batch", "values": [message.value for message in messages], "attempt": messages[0].attempt})
    if any(message.value == "bad" for message in messages):
        raise ValueError("a bad click")
    await asyncio.sleep(max(message.value for message in messages))


@app.periodic("0 * * * *", missed="once")
async def hourly_once() -> None:
    with noted():
        pass


@app.periodic("0 * * * *", missed="all")
async def hourly_all() -> None:
    with noted():
        pass


@app.periodic("0 * * * *", missed="skip")
async def hourly_skip() -> None:
    with noted():
        pass


# --- tasks and consumers that are told to stop ---


@app.task(queue="untidy")
async def clean_up_for(seconds: float) -> None:
    with noted():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(seconds)
            note("cleaned")
            raise


@app.consume("parcels", batch=10, max_wait=0.05)
def carry(messages: list[Message]) -> None:
    append({"event": "batch", "values": [message.value for message in messages]})
    try:
        while True:
            time.sleep(0.01)
    except BaseException as error:
        append({"event": "stopped", "error": type(error).__name__})
        raise


# --- what an app does at its start, and tasks that reach for it ---

opened: list[int] = []


@app.on_start
async def open_client() -> None:
    opened.append(os.getpid())


@app.on_stop
def close_client() -> None:
    append({"event": "closed", "pid": os.getpid(), "open": list(opened)})


@app.task
def use_client() -> bool:
    return opened == [os.getpid()]


@app.task(cpu=True, queue="cpu")
def use_client_in_a_process() -> bool:
    return opened == [os.getpid()]


@app.task
def close_the_app() -> None:
    with app:
        asyncio.run(app.close())


def factory() -> Any:
    @app.task(name="made_by_a_factory", cpu=True, queue="cpu")
    def made(number: int) -> int:
        return number

    return made


made_by_a_factory = factory()


@app.task(queue="greedy", retry=1)
def grow(megabytes: int) -> None:
    grow_until(megabytes)


@app.task(queue="greedy", cpu=True, retry=1)
def grow_in_a_process(megabytes: int) -> None:
    grow_until(megabytes)


def grow_until(megabytes: int) -> None:
    held = []
    with noted():
        for _ in range(megabytes // 10):
            held.append(os.urandom(1024) * (10 * 1024))
            time.sleep(0.1)
