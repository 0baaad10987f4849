"""The words in which the promises are written: short names for what a test does with a backend.

A `Kit` is synchronous on the outside, so that a test reads as a conversation. Messages go by short names ("a"), which
become proper ids on their way. Nothing here judges.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import pytest

from forebay.engine.backend import Whole
from forebay.engine.contract import Beat, Depth, Leased, Receipt, Recovered, Want
from forebay.model.clock import SystemClock
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import State
from forebay.model.message import Failure, Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Outcome, Settlement
from forebay.model.queue import QueueSpec
from forebay.store.records import Found, Query
from forebay.testing.clock import ManualClock
from forebay.testing.conformance.stage import EngineKit, MakeBackend, Stage

T = TypeVar("T")

#: Seconds within which a waiter has to be awake; far above what a wake-up takes, far below the timeouts in use.
PROMPT = 2.0
#: Seconds after which a test gives up on something that never came.
PATIENCE = 20.0
#: A lease that does not run out by itself in a test that is about something else.
LONG = 1e9

BOOM = Failure("ValueError", "boom", "Traceback (most recent call last): ...")


class Named(Protocol):
    """Anything that carries the id of a message."""

    @property
    def id(self) -> str:
        """The id."""
        ...


def ident(name: str) -> str:
    """The id of the message that a test calls `name`."""
    return name.encode().hex().zfill(32)


def names(items: Iterable[Named]) -> list[str]:
    """What the test calls these messages."""
    return [bytes.fromhex(item.id).lstrip(b"\0").decode() for item in items]


def in_threads(*functions: Callable[[], T]) -> list[T]:
    """Run functions at the same time, each in a thread; their results, or the first error."""
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    together = threading.Barrier(len(functions))

    def run(number: int, function: Callable[[], T]) -> None:
        try:
            together.wait(PATIENCE)
            results[number] = function()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if errors:
        raise errors[0]
    if len(results) < len(functions):
        pytest.fail(f"a thread was still busy after {PATIENCE} s")
    return [results[number] for number in range(len(functions))]


class Working(Stage):
    """A message on its way: publish, lease, settle, and what else a worker does.

    Attributes:
        news: how far the news had come at the last look of this kit.
    """

    news = 0

    def publish(self, *called: str, queue: str = "q", **fields: Any) -> list[Receipt]:
        """Publish messages of these names that are otherwise alike."""
        return self.run(self.backend.publish([Message(id=ident(name), queue=queue, **fields) for name in called]))

    def beat(self, worker: str = "w", lease: float = LONG, **fields: Any) -> bool:
        """One beat of one worker."""
        self._beaten.add(worker)
        return self.run(self.backend.extend([Beat(worker=worker, lease=lease, **fields)]))[0]

    def ask(self, limit: int = 100, worker: str = "w", queues: Sequence[str] = ("q",), **more: Any) -> Leased:
        """Lease by a worker that has beaten before, if it was not lost."""
        leased = self.run(self.backend.lease(Want(worker, queues, limit, **more)))
        self.news = leased.news
        return leased

    def lease(self, limit: int = 100, worker: str = "w", queues: Sequence[str] = ("q",), **more: Any) -> list[Delivery]:
        """Lease by a worker that is registered here if this test has not done so."""
        if worker not in self._beaten:
            self.beat(worker)
        return self.ask(limit, worker, queues, **more).deliveries

    def take(self, limit: int = 100, worker: str = "w", queues: Sequence[str] = ("q",), **more: Any) -> list[str]:
        """The names of what a lease gave."""
        return names(self.lease(limit, worker, queues, **more))

    def settle(self, outcome: Outcome, *deliveries: Delivery, worker: str = "w", took: float = 0.0) -> list[bool]:
        """Settle deliveries that end alike."""
        return self.run(self.backend.settle(worker, [Settlement(delivery, outcome, took) for delivery in deliveries]))

    def finish(self, outcome: Outcome | None = None, **fields: Any) -> None:
        """Publish "a", lease it and settle it."""
        self.publish("a", **fields)
        (delivery,) = self.lease(1)
        if not all(self.settle(outcome or Ack(), delivery)):
            pytest.fail("the only delivery could not be settled")

    def finish_all(self) -> None:
        """Lease what there is, and settle it as done."""
        self.settle(Ack(), *self.lease())

    def recover(self, *lost: str) -> Recovered:
        """Bury workers."""
        return self.run(self.backend.recover(lost))

    def wait(self, timeout: float = PATIENCE, queues: Sequence[str] = ("q",)) -> float:
        """Wait for work that came after the last look; how long it took."""
        start = time.monotonic()
        self.run(self.backend.wait(queues, timeout, self.news))
        return time.monotonic() - start

    def take_patiently(self, worker: str = "w") -> list[str]:
        """Lease, and wait, until something comes."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            if got := self.take(worker=worker):
                return got
            self.wait(give_up - time.monotonic())
        return pytest.fail(f"nothing to lease in {PATIENCE} s")


class Kit(Working):
    """Everything a test says: the way of a message, and looking at it and stopping it."""

    def find(self, name: str) -> Found | None:
        """What is known of a message."""
        found = self.run(self.backend.find([ident(name)]))[0]
        if found is None:  # where that may be a message which waits
            self.needs("browse")
        return found

    def found(self, name: str) -> Found:
        """What is known of a message that has to be known."""
        return self.find(name) or pytest.fail(f"message {name!r} is not known")

    def state(self, name: str) -> State | None:
        """Where a message is; None if it is not known."""
        found = self.find(name)
        return None if found is None else found.state

    def watch(self, since: int | None, timeout: float = 10 * PROMPT, *called: str) -> float:
        """Wait for an end of these, of any if none is named; how long it took."""
        start = time.monotonic()
        self.run(self.backend.watch([ident(name) for name in called] or None, timeout, since))
        return time.monotonic() - start

    def mark(self) -> int:
        """What has ended up to now, to wait for what ends after it."""
        return self.run(self.backend.watch(None, 0.0))

    def depth(self, queue: str = "q") -> Depth:
        """The numbers of one queue."""
        return self.run(self.backend.depth([queue]))[0]

    def listed(self, **query: Any) -> list[str]:
        """The names of the messages that match."""
        return names(self.run(self.backend.messages(Query(**query))))

    def cancel(self, *called: str) -> list[State | None]:
        """Cancel messages."""
        return self.run(self.backend.cancel([ident(name) for name in called]))

    def close_gate(self, queue: str = "q", lane: str | None = None, reason: str = "", **more: Any) -> None:
        """Close a gate."""
        if more.get("task") is not None or more.get("key") is not None:
            self.needs("meters")
        self.run(self.backend.close_gate(queue, lane, reason, **more))

    def open_gate(self, queue: str = "q", lane: str | None = None, **more: Any) -> None:
        """Open a gate."""
        self.run(self.backend.open_gate(queue, lane, **more))

    def declare(self, queue: str = "q", **options: Any) -> None:
        """Declare a queue."""
        if any(options.values()):
            self.needs("meters")
        self.run(self.backend.declare([QueueSpec(name=queue, **options)]))

    def meters(self, *called: str) -> list[Meter]:
        """Meters by their names."""
        self.needs("meters")
        return self.run(self.backend.meters(called))

    def tidy(self, limit: int = 5000) -> int:
        """Tidy up."""
        return self.run(self.backend.tidy(limit))


#: Takes the row of a worker away from under what it runs, as somebody with a shell might.
ForgetWorker = Callable[[Whole, str], None]


@pytest.fixture
def forget_worker() -> ForgetWorker:
    """What an engine's author may provide beside `make_backend`."""
    return pytest.skip("how the row of a worker is taken away is not told: provide the fixture `forget_worker`")


#: Begins a transaction in the place of a backend's messages: a connection, committed at the end, or undone by an error.
Begin = Callable[[Whole], AbstractContextManager[Any]]


@pytest.fixture
def begin() -> Begin:
    """What the author of an engine that `transacts` provides beside `make_backend`."""
    return pytest.fail("how a transaction is begun is not told: provide the fixture `begin`")


@pytest.fixture
def engine_kit() -> EngineKit:
    """What an engine's author may provide beside `make_backend`: how a worker is lost, how time passes."""
    return EngineKit()


@pytest.fixture
def kit(request: pytest.FixtureRequest, make_backend: MakeBackend, engine_kit: EngineKit) -> Generator[Kit]:
    """A backend whose time stands still until the test moves it."""
    with _opened(request, Kit(make_backend, ManualClock(), engine_kit)) as with_clock:
        yield with_clock


@pytest.fixture
def live(request: pytest.FixtureRequest, make_backend: MakeBackend, engine_kit: EngineKit) -> Generator[Kit]:
    """A backend on the machine's clock, for tests about waiting."""
    with _opened(request, Kit(make_backend, SystemClock(), engine_kit)) as on_time:
        yield on_time


@contextmanager
def _opened(request: pytest.FixtureRequest, kit: Kit) -> Generator[Kit]:
    """A kit for a test, if the engine has what the test is about."""
    try:
        module = request.function.__module__
        if module.startswith(__package__):
            kit.held_to(module)
        yield kit
    finally:
        kit.close()
