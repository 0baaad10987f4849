"""The stage of a test: a backend that is open, the clock it was given, a loop to run its verbs on, and its fellows."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, Self, TypeVar

import pytest

from forebay.engine.backend import Whole
from forebay.model.clock import Clock
from forebay.testing.clock import ManualClock

T = TypeVar("T")


class MakeBackend(Protocol):
    """What an engine's author provides as the fixture `make_backend`.

    Each call gives a backend that is not yet opened, all on the same storage if the engine is `shared`.
    """

    def __call__(self, clock: Clock | None = None) -> Whole:
        """A backend with default settings; on the machine's clock if none is given."""
        ...


class Stage:
    """One opened backend in the hands of a test. Not for two threads at once: each takes a `fellow` of its own."""

    def __init__(self, make: MakeBackend, clock: Clock, backend: Whole | None = None) -> None:
        self._make = make
        self._clock = clock
        self._runner = asyncio.Runner()
        self._fellows: list[Self] = []
        self._beaten: set[str] = set()
        self._owner = backend is None
        self.backend = make(clock) if backend is None else backend
        if self._owner:
            self.run(self.backend.open())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The answer of a verb."""
        return self._runner.run(coroutine)

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

    def peer(self) -> Self:
        """A second instance on the same storage, as another process would open it."""
        self.needs("shared")
        return self._joined(type(self)(self._make, self._clock))

    def fellow(self) -> Self:
        """A kit for another thread, on the same instance: it may be driven from anywhere."""
        return self._joined(type(self)(self._make, self._clock, self.backend))

    def _joined(self, kit: Self) -> Self:
        self._fellows.append(kit)
        return kit

    @property
    def clock(self) -> ManualClock:
        """The clock of the test."""
        if not isinstance(self._clock, ManualClock):
            pytest.fail("this test runs on the machine's clock")
        return self._clock

    def now(self) -> float:
        """The time, by the clock that the backend was given."""
        return self._clock.now()
