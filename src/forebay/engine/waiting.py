"""Waiting, in both worlds: on an asyncio loop, or in a plain thread that drives a coroutine by hand.

An engine without a network of its own needs no loop. Its verbs are coroutines all the same, so that every engine has
one face; `drive` runs such a coroutine to its end in the calling thread, and whatever it waits for blocks that thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

_here = threading.local()


def blocking() -> bool:
    """Whether the present coroutine is being driven by hand and must block instead of suspend."""
    return getattr(_here, "blocking", False)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of a loop-free engine to its end in this thread, inside or outside of any loop."""
    before = blocking()
    _here.blocking = True
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        _here.blocking = before
    coroutine.close()
    raise RuntimeError("a loop-free engine suspended while driven by hand; this is a bug in the engine")


class Completion(Generic[T]):
    """A one-shot answer from another thread to whoever asked, be it a coroutine or a thread."""

    __slots__ = ("_error", "_lock", "_value", "future", "loop")

    def __init__(self) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self._lock: threading.Lock | None = None
        if blocking():
            self.loop = self.future = None
            self._lock = threading.Lock()
            self._lock.acquire()
        else:
            self.loop = asyncio.get_running_loop()
            self.future = self.loop.create_future()

    @property
    def blocks(self) -> bool:
        """Whether a thread waits for it, rather than a coroutine on a loop."""
        return self._lock is not None

    def set(self, value: Any, error: BaseException | None = None) -> None:
        """Keep the answer; `deliver` makes it known."""
        self._value, self._error = value, error

    def __await__(self) -> Generator[Any, Any, T]:
        if self.future is None:
            assert self._lock is not None
            self._lock.acquire()
        else:
            yield from self.future
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    @staticmethod
    def deliver(completions: Iterable["Completion[Any]"]) -> None:
        """Make answers known, with one wake-up per loop however many there are."""
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for completion in completions:
            if completion._lock is not None:
                completion._lock.release()
            else:
                loops.setdefault(completion.loop, []).append(completion.future)  # type: ignore[arg-type]
        for loop, futures in loops.items():
            call_in(loop, _resolve, futures)


def _resolve(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: object) -> None:
    """Call `function` in a loop of another thread; a loop that has closed no longer waits for anything."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


class Signal:
    """Something happened, on a topic. Waiters say what they have seen, so nothing falls between look and wait."""

    def __init__(self) -> None:
        self.version = 0
        self._last: dict[str, int] = {}
        self._all = 0
        self._condition = threading.Condition()
        self._waiters: dict[asyncio.Future[None], tuple[asyncio.AbstractEventLoop, frozenset[str] | None]] = {}

    def notify(self, topics: Iterable[str] | None = None) -> None:
        """Wake the waiters of these topics; of all if None. Safe from any thread."""
        with self._condition:
            self.version += 1
            if topics is None:
                self._all = self.version
            else:
                self._last.update(dict.fromkeys(topics, self.version))
            self._condition.notify_all()
            waiting = list(self._waiters.items())
            seen = self.version - 1
            woken = [(loop, future) for future, (loop, wanted) in waiting if self._news(seen, wanted)]
        for loop, future in woken:
            call_in(loop, _resolve, (future,))

    def _news(self, seen: int, topics: frozenset[str] | None) -> bool:
        if topics is None:
            return self.version > seen
        return self._all > seen or any(self._last.get(topic, 0) > seen for topic in topics)

    async def wait(self, seen: int, timeout: float, topics: Iterable[str] | None = None) -> bool:
        """Wait until one of `topics` was notified after version `seen`, or `timeout` seconds; whether it was."""
        wanted = None if topics is None else frozenset(topics)
        if blocking():
            with self._condition:
                return self._condition.wait_for(lambda: self._news(seen, wanted), timeout)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._condition:
            if self._news(seen, wanted):
                return True
            self._waiters[future] = (loop, wanted)
        timer = loop.call_later(timeout, _resolve, (future,))
        try:
            await future
        finally:
            timer.cancel()
            with self._condition:
                self._waiters.pop(future, None)
        return self._news(seen, wanted)
