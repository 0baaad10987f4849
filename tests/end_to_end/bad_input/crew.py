"""The app of these tests: tasks that fail in every way there is, tasks that harm their process, and good ones."""

import asyncio
import contextlib
import ctypes
import locale
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from forebay import Context, DeadLetter, Forebay, Message, Retry

app = Forebay()
once = Retry(max_attempts=1)
log = logging.getLogger("crew")
#: The folder of the place, whatever the present one is: a task here changes it.
HERE = Path(os.environ["FOREBAY_TEST_NOTES"]).parent


# --- what is good ---


@app.task(retry=once)
async def add(a: int, b: int) -> int:
    return a + b


@app.task(retry=once)
def add_in_thread(a: int, b: int) -> int:
    return a + b


@app.task(retry=once, cpu=True, queue="cpu")
def add_in_process(a: int, b: int) -> int:
    return a + b


@app.task(retry=once, cpu=True, queue="cpu")
def echo_in_process(text: str) -> str:
    return text


@app.task(retry=once)
async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@app.consume("clicks", batch=10, max_wait=0.05, retry=once)
def clicks(messages: list[Message]) -> None:
    with (HERE / "clicks.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"{message.value}\n" for message in messages)


@app.periodic("30 * * * *", missed="all")
def tick(context: Context) -> None:
    with (HERE / "ticks.txt").open("a", encoding="utf-8") as file:
        file.write(f"{context.id}\n")


# --- exceptions ---


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class Exiting(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("it cannot be pickled")
        self.lock = threading.Lock()

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle this")


class NotAnException(BaseException):
    pass


class SilentDeadLetter(DeadLetter):
    __str__ = Silent.__str__


class Nameless(Exception):
    pass


Nameless.__qualname__ = "half of a \ud83d" + "n" * 1_000_000
Nameless.__module__ = "m\udcffodule"


class Unspeakable(type):
    def __getattribute__(cls, name: str) -> object:
        if name in ("__name__", "__qualname__", "__module__"):
            raise RuntimeError("this class has no name")
        return super().__getattribute__(name)


class Unspoken(Exception, metaclass=Unspeakable):
    pass


class Placeless(Exception):
    __module__ = property(lambda _: 1 / 0)  # type: ignore[assignment]


class Asked(Exception):
    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(f"no {name} for you")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


class Lying(Exception):
    __class__ = property(lambda _: DeadLetter)  # type: ignore[assignment]


class Causeless(Exception):
    __cause__ = property(lambda _: 1 / 0)  # type: ignore[assignment]
    __notes__ = __traceback__ = __context__ = __cause__  # type: ignore[assignment]


def after_asked() -> Exception:
    error = ValueError("while that was handled")
    error.__context__ = Asked()
    return error


def deep_chain() -> Exception:
    error: Exception = ValueError("the first")
    for n in range(5_000):
        after = ValueError(f"number {n}")
        after.__cause__ = error
        error = after
    return error


ERRORS = {
    "silent": Silent,
    "exiting": Exiting,
    "long": lambda: ValueError("x" * 10_000_000),
    "surrogates": lambda: ValueError("half of a \ud83d face"),
    "nul": lambda: ValueError("a\0b"),
    "unpicklable": Unpicklable,
    "base": lambda: NotAnException("not an Exception"),
    "interrupt": KeyboardInterrupt,
    "exit": lambda: SystemExit(3),
    "generator": GeneratorExit,
    "stop": lambda: StopIteration(1),
    "async-stop": StopAsyncIteration,
    "cancelled": asyncio.CancelledError,
    "nameless": Nameless,
    "unspoken": Unspoken,
    "placeless": Placeless,
    "unspoken-group": lambda: ExceptionGroup("several", [Unspoken("one"), Placeless("two")]),
    "asked": Asked,
    "asked-before": after_asked,
    "asked-group": lambda: ExceptionGroup("several", [ValueError("one"), Asked(), ExceptionGroup("more", [Lying()])]),
    "lying": Lying,
    "causeless": Causeless,
    "chain": deep_chain,
    "group": lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("one")]),
    "dead-letter": lambda: DeadLetter("half of a \ud83d face"),
    "long-dead-letter": lambda: DeadLetter("x" * 10_000_000),
    "silent-dead-letter": SilentDeadLetter,
}


@app.task(retry=once)
async def fail(kind: str) -> None:
    raise ERRORS[kind]()  # noqa: RSE102 - some are functions


@app.task(retry=once)
def fail_in_thread(kind: str) -> None:
    raise ERRORS[kind]()  # noqa: RSE102 - some are functions


@app.task(retry=once, cpu=True, queue="cpu")
def fail_in_process(kind: str) -> None:
    raise ERRORS[kind]()  # noqa: RSE102 - some are functions


@app.consume("bad-clicks", batch=1, max_wait=0.01, retry=once)
async def fail_in_batch(messages: list[Message]) -> None:
    raise ERRORS[messages[0].value]()  # noqa: RSE102 - some are functions


# --- results ---


@dataclass
class Fussy:
    """Has fits when it is looked at."""

    name: str

    def __post_init__(self) -> None:
        if self.name == "key":
            raise KeyError("a validator that does not raise ValueError")
        if self.name == "exit":
            raise SystemExit("a validator that wants to leave")


class Order(Struct):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise LookupError("no such order")


def nested() -> list[object]:
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    return value


def circular() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


RESULTS = {
    "object": object,
    "lock": threading.Lock,
    "function": lambda: nested,
    "generator": lambda: (n for n in range(3)),
    "surrogates": lambda: "half of a \ud83d face",
    "huge int": lambda: 2**70,
    "nested": nested,
    "circular": circular,
    "large": lambda: "x" * 2_000_000,
    "class": lambda: Struct,
    "asked": Asked,
}


@app.task(retry=once)
async def answer(kind: str) -> object:
    return RESULTS[kind]()


@app.task(retry=once)
def answer_in_thread(kind: str) -> object:
    return RESULTS[kind]()


@app.task(retry=once, cpu=True, queue="cpu")
def answer_in_process(kind: str) -> object:
    return RESULTS[kind]()


@app.task(retry=once)
async def answer_wrongly() -> int:
    return "not a number"  # type: ignore[return-value]


@app.task(retry=once)
def answer_fussily(number: int) -> Order:
    order = Order(0)
    order.number = number
    return order


@app.task(retry=once)
def take_order(order: Order) -> int:
    return order.number


@app.task(retry=once)
def take_fussy(fussy: Fussy) -> str:
    return fussy.name


# --- what a task may do to its process, and the process has to bear ---


@app.task(retry=once)
async def change_signals() -> None:
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


@app.task(retry=once)
async def swallow_loop_errors() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)


@app.task(retry=once)
def change_folder(folder: str) -> None:
    os.chdir(folder)


@app.task(retry=once)
def change_umask_and_locale() -> None:
    os.umask(0o777)
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")


@app.task(retry=once)
def stop_the_clock_of_others() -> None:
    time.sleep = lambda _: None
    time.time = lambda: 0.0
    time.monotonic = lambda: 0.0


@app.task(retry=once)
def leave_threads() -> None:
    for _ in range(50):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


@app.task(retry=once)
def run_a_loop_inside() -> str:
    return asyncio.run(nap(0.0))


@app.task(retry=once)
async def run_a_loop_in_a_loop() -> None:
    coroutine = nap(0.0)
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


@app.task(retry=once)
def log_badly() -> None:
    log.error("%d of %s", "not a number")  # noqa: PLE1206 - what it is here for
    log.error("its text: %s", Silent())
    log.error("half of a \ud83d face")


@app.task(retry=once)
def close_standard_streams() -> None:
    for fd in (0, 1, 2):
        os.close(fd)


@app.task(retry=once)
def lower_the_recursion_limit() -> None:
    sys.setrecursionlimit(2_000)


@app.task(retry=once)
async def tell_bad_progress(context: Context) -> None:
    for value in (object(), "\ud83d", nested(), 2**70):
        context.progress(value)
        await asyncio.sleep(0.15)


# --- what no process survives ---


@app.task(retry=once)
async def close_everything() -> None:
    os.closerange(3, 4096)


@app.task(retry=once)
def close_everything_in_thread() -> None:
    os.closerange(3, 4096)


@app.task(retry=once, cpu=True, queue="cpu")
def close_everything_in_process() -> None:
    os.closerange(3, 4096)


@app.task(retry=once)
async def leave(code: int) -> None:
    os._exit(code)


@app.task(retry=once, cpu=True, queue="cpu")
def leave_process(code: int) -> None:
    os._exit(code)


@app.task(retry=once)
def break_the_interpreter() -> None:
    ctypes.string_at(0)


# --- tasks that fork: both sides come back into our code ---


@app.task(retry=once)
async def fork() -> int:
    return os.fork()


@app.task(retry=once)
async def fork_and_await() -> int:
    pid = os.fork()
    await asyncio.sleep(0.2)
    return pid


@app.task(retry=once)
def fork_in_thread() -> int:
    return os.fork()


@app.task(retry=once)
def fork_and_fail_in_thread() -> int:
    if (pid := os.fork()) == 0:
        sys.exit(0)
    return pid


@app.task(retry=once, cpu=True, queue="cpu")
def fork_in_process() -> int:
    return os.fork()


@app.consume("forks", batch=1, max_wait=0.01, retry=once)
def fork_in_batch(messages: list[Message]) -> None:
    pid = os.fork()
    if pid:
        with (HERE / "forks.txt").open("a", encoding="utf-8") as file:
            file.write(f"{pid}\n")


@app.task(retry=once)
def fork_a_child_that_enqueues() -> str:
    """What the child hears, through a pipe."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            add.enqueue(1, 2)
            os.write(write, b"enqueued")
        except Exception as error:  # noqa: BLE001 - whatever it is, is told
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        return file.read()
