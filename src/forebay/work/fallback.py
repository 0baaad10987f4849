"""Where the work of a provider goes that is not to be asked for long: to another task, or to another provider.

A chain of fallbacks is gone along as long as each is gone for long as well, and never round in a circle.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from forebay.model.provider import Provider, Stand
from forebay.produce.provided import ProviderSpec
from forebay.produce.task import Task

Tasks = Mapping[str, Task[..., Any, Any]]


class Known(Protocol):
    """Providers as they were declared, and how they stand, as far as is known."""

    @property
    def specs(self) -> Mapping[str, ProviderSpec]: ...
    @property
    def view(self) -> Mapping[str, Provider]: ...


class Fallbacks:
    """Those of one process."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._twins: dict[tuple[str, str], Task[..., Any, Any]] = {}

    def could(self, name: str, tasks: Tasks, now: float) -> bool:
        """Whether there is somebody who could do the work of this provider now."""
        return self._end(name, tasks, now) is not None

    def instead(self, task: Task[..., Any, Any], tasks: Tasks, now: float) -> Task[..., Any, Any] | None:
        """What is run in the place of a task, whose provider is diverted; None if nobody can do its work now."""
        end = self._end(task.running.provider or "", tasks, now)
        if end is None:
            return None
        return tasks[end] if end in tasks else self._twin(task, end)

    def _end(self, name: str, tasks: Tasks, now: float) -> str | None:
        """The task or provider at which a chain ends that begins behind this provider."""
        seen = {name}
        while (spec := self._known.specs.get(name)) is not None and spec.fallback is not None:
            task = tasks.get(spec.fallback)
            theirs = spec.fallback if task is None else task.running.provider
            if theirs is None or (theirs not in seen and self._usual(theirs, now)):
                return spec.fallback if theirs is None or theirs in self._known.specs else None
            one = self._known.view.get(theirs)
            if theirs in seen or one is None or not one.diverted:
                return None  # back where we were; or to be waited for
            seen.add(theirs)
            name = theirs
        return None

    def _usual(self, name: str, now: float) -> bool:
        """Whether it is asked as usual."""
        one = self._known.view.get(name)
        return one is None or (one.stand is Stand.CLOSED and max(one.throttled, one.spent) <= now)

    def _twin(self, task: Task[..., Any, Any], provider: str) -> Task[..., Any, Any]:
        """The same task, that asks another provider."""
        known = self._twins.get((task.name, provider))
        if known is None or known.function is not task.function:
            known = object.__new__(type(task))
            known.__dict__.update(task.__dict__, running=replace(task.running, provider=provider))
            self._twins[task.name, provider] = known
        return known
