"""The tables of one registry, by name, and the rule that one name means one thing. Knows of no other registry."""

from collections.abc import Iterator
from typing import Any

from forebay.model.errors import ConfigError
from forebay.model.queue import QueueSpec
from forebay.produce.consumer import Consumer
from forebay.produce.origin import same
from forebay.produce.provided import ProviderSpec
from forebay.produce.schedule import Planned
from forebay.produce.task import Task

Part = QueueSpec | ProviderSpec | Task[..., Any, Any] | Consumer | Planned


class Parts:
    """Queues, providers, tasks and schedules by name; consumers by their queue."""

    def __init__(self) -> None:
        self.queues: dict[str, QueueSpec] = {}
        self.providers: dict[str, ProviderSpec] = {}
        self.tasks: dict[str, Task[..., Any, Any]] = {}
        self.consumers: dict[str, Consumer] = {}
        self.schedules: dict[str, Planned] = {}
        self._said: set[str] = set()  # queues that were declared, rather than only used

    def all(self) -> Iterator[Part]:
        """Everything that was declared, in an order in which it can be put elsewhere."""
        yield from [spec for name, spec in self.queues.items() if name in self._said]
        yield from list(self.providers.values())
        yield from list(self.tasks.values())
        yield from list(self.consumers.values())
        yield from list(self.schedules.values())

    def check(self, part: Part) -> None:
        """Whether `part` may be put here.

        Raises:
            ConfigError: its name is taken by another one.
        """
        match part:
            case QueueSpec():
                self._check_queue(part)
            case ProviderSpec():
                self._check_provider(part)
            case Task():
                self._check_task(part)
            case Consumer():
                self._check_consumer(part)
            case Planned():
                self._check_schedule(part)

    def put(self, part: Part) -> None:
        """Keep `part`, in the place of the one of its name."""
        match part:
            case QueueSpec():
                self._said.add(part.name)
                self.queues[part.name] = part
            case ProviderSpec():
                self.providers[part.name] = part
            case Task():
                self._put_task(part)
            case Consumer():
                self.consumers[part.queue] = part
                self._use(part.queue)
            case Planned():
                self.schedules[part.name] = part
                self._use(part.waiting.queue)

    def _use(self, queue: str) -> None:
        self.queues.setdefault(queue, QueueSpec(name=queue, assumed=True))

    def _put_task(self, task: Task[..., Any, Any]) -> None:
        known = self.tasks.get(task.name)
        if known is not None and known.function is task.function:
            return  # declared again, alike
        for name in [name for name, planned in self.schedules.items() if planned.task is known]:
            del self.schedules[name]  # a function that is run again declares its schedules again
        self.tasks[task.name] = task
        self._use(task.waiting.queue)

    def _check_queue(self, spec: QueueSpec) -> None:
        if spec.name in self._said and self.queues[spec.name] != spec:
            raise ConfigError(f"queue {spec.name!r} is declared twice, differently: declare it in one place")

    def _check_provider(self, spec: ProviderSpec) -> None:
        if self.providers.get(spec.name, spec) != spec:
            raise ConfigError(f"provider {spec.name!r} is declared twice, differently: declare it in one place")

    def _check_task(self, task: Task[..., Any, Any]) -> None:
        known, name = self.tasks.get(task.name), task.name
        if known is not None and not same(known.origin, task.origin):
            raise ConfigError(
                f"two tasks are named {name!r} ({known.origin} and {task.origin}): give one another name with name="
            )
        if known is not None and known.function is task.function and not known.like(task):
            raise ConfigError(
                f"task {name!r} ({task.origin}) is declared twice, with other options: give one another name with name="
            )
        if consumer := self.consumers.get(task.waiting.queue):
            raise _shared(task, consumer)

    def _check_consumer(self, consumer: Consumer) -> None:
        known, queue = self.consumers.get(consumer.queue), consumer.queue
        if known is not None and not same(known.origin, consumer.origin):
            raise ConfigError(
                f"queue {queue!r} has a consumer already: {known.name} ({known.origin}), and not {consumer.origin} too"
            )
        for task in self.tasks.values():
            if task.waiting.queue == consumer.queue:
                raise _shared(task, consumer)

    def _check_schedule(self, planned: Planned) -> None:
        known = self.schedules.get(planned.name)
        if known is not None and (known.task.name != planned.task.name or known.task is planned.task):
            raise ConfigError(
                f"two schedules are named {planned.name!r} (of task {known.task.name!r} and of task "
                f"{planned.task.name!r}): give one another name with name="
            )


def _shared(task: Task[..., Any, Any], consumer: Consumer) -> ConfigError:
    return ConfigError(
        f"queue {consumer.queue!r} has a consumer, {consumer.name}, which would be handed the messages of task "
        f"{task.name!r} too: give one of them another queue"
    )
