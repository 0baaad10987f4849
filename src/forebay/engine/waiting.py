"""Waiting, in both worlds: on an asyncio loop, or in a plain thread that drives a coroutine by hand.

An engine works in threads of its own; whoever asks it for something waits here. Its verbs are coroutines, so that every
engine has one face; `drive` runs such a coroutine to its end in the calling thread, and whatever it waits for blocks
that thread. A caller may be struck at any step (Ctrl-C, a signal handler that raises, an exception thrown into its
thread): no lock is held for it, and what it leaves behind means nothing to the next call. In threads that run tasks,
timeouts and cancels strike it only where it waits, or when it returns (`engine/shield.py`).
"""

import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from forebay.engine.shield import acquire, shield
from forebay.engine.strand import Strands
from forebay.model.errors import EngineClosed, ForebayError

if TYPE_CHECKING:
    import asyncio  # takes a while: imported where a loop runs, by whoever runs it

T = TypeVar("T")

_logger = logging.getLogger("forebay.engine")
_here = Strands()
#: Topics of a `Signal` whose last news is known one by one; with more than that all of them count as just heard of. Ids
#: of messages are topics, too, and there are ever more of those.
TOPICS = 10_000


class _Driven:
    """A coroutine that is driven by hand in this strand, and the one around it."""

    __slots__ = ("around", "coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], around: "_Driven | None") -> None:
        self.coroutine, self.around = coroutine, around

    @property
    def running(self) -> bool:
        """Whether it still runs. One that was struck may stand here for ever, and does not."""
        return getattr(self.coroutine, "cr_running", True)


def blocking() -> bool:
    """Whether the present coroutine is being driven by hand and must block instead of suspend."""
    driven: _Driven | None = getattr(_here(), "driven", None)
    while driven is not None and not driven.running:
        driven = driven.around
    return driven is not None


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of a loop-free engine to its end in this thread, inside or outside of any loop."""
    here = _here()
    before: _Driven | None = getattr(here, "driven", None)
    with shield():
        here.driven = _Driven(coroutine, before)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            answer: T = stop.value
            return answer
        finally:
            here.driven = before
    coroutine.close()
    raise RuntimeError("a loop-free engine suspended while driven by hand; this is a bug in the engine")


def on_loop() -> bool:
    """Whether an event loop runs in this thread."""
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return running is not None and running() is not None


def _running_loop() -> "asyncio.AbstractEventLoop":
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ForebayError(
            "this call waits on a loop of asyncio, and none runs here: on another loop (trio) call the same without "
            "its `a` in a thread, as in `await trio.to_thread.run_sync(task.enqueue, …)`"
        ) from None


#: Loops to be told, and what waits there.
Loops: TypeAlias = "dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]]"


class Answer(Generic[T]):
    """A one-shot answer; this one to whoever brings it about in person, so that it is there when it is awaited."""

    __slots__ = ("_error", "_value", "answered")

    def __init__(self) -> None:
        self.answered = False
        self._value: Any = None
        self._error: BaseException | None = None

    def set(self, value: Any, error: BaseException | None = None) -> None:
        """Keep the answer; `deliver` makes it known."""
        self._value, self._error = value, error

    @property
    def error(self) -> BaseException | None:
        """What came of it instead of a value, as far as is known."""
        return self._error

    def tell(self, loops: Loops) -> None:
        """Wake whoever waits for it, unless that is on a loop: it goes on the list."""

    def __await__(self) -> Generator[Any, Any, T]:
        yield from ()
        return self._outcome()

    def _outcome(self) -> T:
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    @staticmethod
    def deliver(answers: Iterable["Answer[Any]"]) -> None:
        """Make answers known, with one wake-up per loop however many there are; each once."""
        loops: Loops = {}
        for answer in answers:
            answer.answered = True
            answer.tell(loops)
        for loop, futures in loops.items():
            call_in(loop, _resolve, futures)


class Completion(Answer[T]):
    """An answer from another thread to whoever asked, be it a coroutine or a thread.

    Nobody has to be there any more when it comes: what was asked for happens all the same.

    Args:
        blocks: what `blocking` says, for who has asked already.
    """

    __slots__ = ("_lock", "future", "loop")

    def __init__(self, blocks: bool | None = None) -> None:
        super().__init__()
        if sys.is_finalizing():
            raise _ending()
        self._lock: threading.Lock | None = None
        if blocking() if blocks is None else blocks:
            self.loop = self.future = None
            self._lock = threading.Lock()
            self._lock.acquire()
        else:
            self.loop = _running_loop()
            self.future = self.loop.create_future()

    def tell(self, loops: Loops) -> None:
        """See `Answer.tell`."""
        if self._lock is not None:
            self._lock.release()
        else:
            loops.setdefault(self.loop, []).append(self.future)  # type: ignore[arg-type]

    def __await__(self) -> Generator[Any, Any, T]:
        if self.future is None:
            assert self._lock is not None
            acquire(self._lock)
        else:
            yield from self.future
        return self._outcome()


def _ending() -> EngineClosed:
    """Once the interpreter ends no other thread of Python runs any more: whoever waited for one would wait for ever."""
    return EngineClosed(
        "this Python is ending, and its threads have ended: a `__del__` comes too late for this; do it before the "
        "program ends, or in a function registered with `atexit`"
    )


def _resolve(futures: "Sequence[asyncio.Future[None]]") -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def call_in(loop: "asyncio.AbstractEventLoop", function: Callable[..., object], *args: object) -> None:
    """Call `function` in a loop of another thread; a loop that has closed no longer waits for anything."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except Exception as error:  # noqa: BLE001 - theirs may be any loop
        if not loop.is_closed():
            _logger.error("a loop cannot be woken, and what waits there waits on: %s", error)


class _Waiter:
    """One who waits for news of some topics, of all if None."""

    __slots__ = ("_future", "_lock", "_loop", "topics")

    def __init__(self, topics: frozenset[str] | None) -> None:
        if sys.is_finalizing():
            raise _ending()
        self.topics = topics
        self._lock = self._loop = self._future = None
        if blocking():
            self._lock = threading.Lock()
            self._lock.acquire()
        else:
            self._loop = _running_loop()
            self._future = self._loop.create_future()

    def wake(self) -> None:
        """Called once, by whoever took it off the list."""
        if self._lock is not None:
            self._lock.release()
        elif self._loop is not None:
            call_in(self._loop, _resolve, (self._future,))

    async def wait(self, timeout: float) -> None:
        if self._lock is not None:
            acquire(self._lock, min(max(0.0, timeout), threading.TIMEOUT_MAX))
            return
        assert self._loop is not None
        assert self._future is not None
        timer = self._loop.call_later(timeout, _resolve, (self._future,))
        try:
            await self._future
        finally:
            timer.cancel()


class Notified(Protocol):
    """Whoever wants to know that something happened."""

    def notify(self, topics: Iterable[str] | None = None) -> None:
        """See `Signal.notify`."""
        ...


class Signal:
    """Something happened, on a topic. Waiters say what they have seen, so nothing falls between look and wait.

    Who waits takes no lock: it puts itself on the list, and looks again. Who tells raises the version, and then looks
    at the list. One of the two sees the other.
    """

    def __init__(self) -> None:
        self.version = 0
        self._last: dict[str, int] = {}
        self._all = 0
        self._closings = 0
        self._telling = threading.Lock()
        self._waiters: dict[_Waiter, None] = {}

    def notify(self, topics: Iterable[str] | None = None) -> None:
        """Wake the waiters of these topics; of all if None. Called by the engine's own threads."""
        with self._telling:
            seen, version = self.version, self.version + 1
            if topics is None:
                self._all = version
            else:
                self._last.update(dict.fromkeys(topics, version))
            if len(self._last) > TOPICS:
                self._all = version  # first: whoever looks between the two finds one of them
                self._last = {}
            self.version = version
            woken = [waiter for waiter in list(self._waiters) if self._news(seen, waiter.topics)]
        for waiter in woken:
            if self._waiters.pop(waiter, waiter) is None:  # unless it has left by itself just now
                waiter.wake()

    def awaited(self, topic: str) -> bool:
        """Whether somebody waits for news of it now."""
        return any(waiter.topics is None or topic in waiter.topics for waiter in list(self._waiters))

    def close(self) -> None:
        """Whoever waits now is told that the engine was closed."""
        self._closings += 1
        self.notify()

    def _news(self, seen: int, topics: frozenset[str] | None) -> bool:
        if topics is None:
            return self.version > seen
        return self._all > seen or any(self._last.get(topic, 0) > seen for topic in topics)

    async def wait(self, seen: int, timeout: float, topics: Iterable[str] | None = None) -> bool:
        """Wait until one of `topics` was notified after version `seen`, or `timeout` seconds; whether it was.

        Raises:
            EngineClosed: the engine was closed meanwhile.
        """
        waiter, closings = _Waiter(None if topics is None else frozenset(topics)), self._closings
        self._waiters[waiter] = None
        try:
            if not self._news(seen, waiter.topics):
                await waiter.wait(timeout)
        finally:
            self._waiters.pop(waiter, None)
        if self._closings != closings:
            raise EngineClosed("the engine was closed while this call waited for news of it")
        return self._news(seen, waiter.topics)
