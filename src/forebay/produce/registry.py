"""What was declared: queues, tasks, consumers, schedules and hooks. Filled by decorators, read by workers.

A registry needs no app. Declaring does no work: nothing is opened, looked up or started. An app includes registries;
several may include one, and each has its own copies of the tasks, which send through that app.
"""

import itertools
import weakref
from collections.abc import Iterator, Sequence
from typing import NoReturn

from forebay.model.errors import ConfigError
from forebay.produce.context import running_producer
from forebay.produce.declaring import Declares
from forebay.produce.hooks import FailureHooks, Hooks, PlainHooks
from forebay.produce.parts import Part, Parts
from forebay.produce.producer import Producer
from forebay.produce.schedule import Planned
from forebay.produce.task import Task
from forebay.store.records import Schedule


class Registry(Declares):
    """Tasks, consumers, schedules and hooks for apps to include.

    `tasks = Registry()`, then `@tasks.task` and its like as on an app, then `app.include(tasks)`.

    Attributes:
        tasks, schedules, queues, providers: what was declared, by name. consumers: by queue.
        on_start, on_stop, on_failure: the hooks, and the decorators that add one.
    """

    def __init__(self) -> None:
        self._parts = Parts()
        self.tasks, self.schedules = self._parts.tasks, self._parts.schedules
        self.queues, self.consumers = self._parts.queues, self._parts.consumers
        self.providers = self._parts.providers
        self.on_start, self.on_stop = PlainHooks("on_start"), PlainHooks("on_stop")
        self.on_failure = FailureHooks("on_failure", ("context", "error", "outcome"))
        self._producer: Producer | None = None
        self._children: list[Registry] = []
        self._parents: weakref.WeakSet[Registry] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"<Registry with {len(self.tasks)} tasks>"

    def __reduce__(self) -> NoReturn:
        raise ConfigError("a registry cannot be copied or pickled: import it in each process")

    def _registry(self) -> "Registry":
        return self

    def bind(self, producer: Producer) -> None:
        """Make this the registry of an app: its tasks send through `producer`."""
        self._producer = producer

    @property
    def producer(self) -> Producer:
        """What its tasks send through: that of the app which includes this registry.

        Raises:
            ConfigError: no app does, or several do and none of them runs the present task.
        """
        if self._producer is not None:
            return self._producer
        found = {one._producer for one in self._family() if one._producer is not None}
        if len(found) == 1:
            return found.pop()
        if not found:
            raise ConfigError("no app includes the registry of this task: call app.include(registry) first")
        if (running := running_producer()) in found:
            return running
        raise ConfigError(
            f"{len(found)} apps include the registry of this task: say which, app.task_of(task).enqueue(...)"
        )

    def add(self, part: Part) -> None:
        """Take in a declared part, here and in all that include this registry.

        Raises:
            ConfigError: its name means something else in one of them.
        """
        self._take([part])

    def _take(self, parts: Sequence[Part]) -> None:
        """All of them everywhere, or none anywhere."""
        family = list(self._family())
        for one, part in itertools.product(family, parts):
            one._check(part)
        for one, part in itertools.product(family, parts):
            one._put(part)

    def include(self, other: "Registry") -> None:
        """Include another registry: all that it has declared, and what it will declare.

        Raises:
            ConfigError: a name of it means something else here, or it is no registry.
        """
        if not isinstance(other, Registry):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"include takes a Registry, not {other!r}")
        if other in self._family():
            raise ConfigError("a registry cannot include itself, directly or through others")
        if other in self._children:
            return
        self._take([*other._parts.all()])
        self._children.append(other)
        other._parents.add(self)
        for mine, theirs in zip(self._hooks(), other._hooks(), strict=True):
            mine.include(theirs)

    def rows(self, now: float) -> list[Schedule]:
        """Its schedules as rows for the store, with their first ticks after `now`, seconds since the epoch."""
        return [planned.row(now) for planned in self.schedules.values()]

    def _hooks(self) -> tuple[Hooks, ...]:
        return self.on_start, self.on_stop, self.on_failure

    def _family(self) -> Iterator["Registry"]:
        """This one and all that include it, directly or through others."""
        yield self
        for parent in self._parents:
            yield from parent._family()

    def _check(self, part: Part) -> None:
        self._parts.check(part)
        if isinstance(part, Planned) and self._producer is not None:
            part.check_zone()  # reads a file, so it waits until there is an app

    def _put(self, part: Part) -> None:
        if isinstance(part, Task):
            part = part.at(self)
        elif isinstance(part, Planned):
            part = part.of(self.tasks[part.task.name])
        self._parts.put(part)
