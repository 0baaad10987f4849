"""The stage of a test: a backend that is open, the clock it was given, a loop to run its verbs on, and its fellows."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, Self, TypeVar

import pytest

from forebay.engine.backend import Whole
from forebay.engine.contract import Engine
from forebay.engine.waiting import drive
from forebay.model.clock import Clock
from forebay.testing.clock import ManualClock
from forebay.testing.conformance.parts import as_declared, part_of

T = TypeVar("T")


class MakeBackend(Protocol):
    """What an engine's author provides as the fixture `make_backend`.

    Each call gives a backend that is not yet opened, all on the same storage if the engine is `shared`.
    """

    def __call__(self, clock: Clock | None = None) -> Engine:
        """An engine, with its store if it has one, and default settings; on the machine's clock if none is given."""
        ...


class EngineKit:
    """What the suite does to an engine from outside, where a lease is a row and the clock is the one given.

    An author whose engine is different in this overrides a method, and provides the fixture `engine_kit`.
    """

    def lose(self, engine: Engine, worker: str) -> None:
        """End a worker as its death would, and have that known; where a lease is a connection, tear it."""
        drive(engine.recover([worker]))

    def advance(self, engine: Engine, clock: ManualClock, seconds: float) -> None:
        """Let time pass, for the test and for the engine; where a server has a clock of its own, step that as well."""
        del engine
        clock.advance(seconds)

    def set_date(self, engine: Engine, clock: ManualClock, date: float) -> None:
        """Set the date, as an operator or a time server does: no time passes."""
        del engine
        clock.wall = date


class Stage:
    """One opened backend in the hands of a test. Not for two threads at once: each takes a `fellow` of its own."""

    def __init__(
        self, make: MakeBackend, clock: Clock, engine_kit: EngineKit | None = None, backend: Whole | None = None
    ) -> None:
        self._make = make
        self._clock = clock
        self._engine_kit = engine_kit or EngineKit()
        self._runner = asyncio.Runner()
        self._fellows: list[Self] = []
        self._beaten: set[str] = set()
        self._owner = backend is None
        self.backend = as_declared(make(clock)) if backend is None else backend
        if self._owner:
            self.run(self.backend.open())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The answer of a verb."""
        # Not `Runner.run`: to set and reset how it is interrupted it makes a text of the whole answer, twice.
        return self._runner.get_loop().run_until_complete(coroutine)

    def close(self) -> None:
        """Close the backend and those of its fellows."""
        for kit in self._fellows:
            kit.close()
        if self._owner:
            self.run(self.backend.close())
        self._runner.close()

    def needs(self, *capabilities: str) -> None:
        """Skip the test, visibly, on an engine that declares not to have one of these."""
        for capability in capabilities:
            if not getattr(self.backend.capabilities, capability):
                pytest.skip(f"the engine declares {capability}=False")

    def asks(self, *verbs: str) -> None:
        """Skip the test now, and not in the midst of it, on an engine that declares to lack one of these."""
        for verb in verbs:
            getattr(self.backend, verb)

    def held_to(self, module: str) -> None:
        """Skip a test of this module if the engine declares to lack the part that it is about."""
        for role in part_of(module).roles:
            self.asks(*(verb for verb in dir(role) if not verb.startswith("_")))

    def peer(self) -> Self:
        """A second instance on the same storage, as another process would open it."""
        self.needs("shared")
        return self._joined(type(self)(self._make, self._clock, self._engine_kit))

    def fellow(self) -> Self:
        """A kit for another thread, on the same instance: it may be driven from anywhere."""
        return self._joined(type(self)(self._make, self._clock, self._engine_kit, self.backend))

    def _joined(self, kit: Self) -> Self:
        self._fellows.append(kit)
        return kit

    def lose(self, worker: str) -> None:
        """Let a worker die, and have that known."""
        self._engine_kit.lose(self.backend, worker)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._engine_kit.advance(self.backend, self.clock, seconds)

    def set_date(self, date: float) -> None:
        """Set the date, seconds since the epoch."""
        self._engine_kit.set_date(self.backend, self.clock, date)

    @property
    def clock(self) -> ManualClock:
        """The clock of the test."""
        if not isinstance(self._clock, ManualClock):
            pytest.fail("this test runs on the machine's clock")
        return self._clock

    def now(self) -> float:
        """The time, by the clock that the backend was given."""
        return self._clock.now()
