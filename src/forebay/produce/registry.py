"""What an app has declared: queues, tasks, consumers and schedules. Filled by decorators, read by workers."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from forebay.flow.retry import Retry
from forebay.model.errors import ConfigError
from forebay.model.queue import QueueSpec
from forebay.produce.task import Task
from forebay.store.contract import Schedule


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """A function that takes raw messages, whole batches at a time."""

    name: str
    queue: str
    function: Callable[[Sequence[Any]], Any]
    batch: int
    max_wait: float
    retry: Retry
    is_async: bool


class Registry:
    """Declared parts by name."""

    def __init__(self) -> None:
        self.queues: dict[str, QueueSpec] = {}
        self._said: set[str] = set()  # queues that were declared, rather than only used
        self.tasks: dict[str, Task[..., Any, Any]] = {}
        self.consumers: dict[str, Consumer] = {}
        self.schedules: dict[str, Schedule] = {}

    def add_queue(self, spec: QueueSpec) -> None:
        """Declare a queue; declaring it again alike is fine.

        Raises:
            ConfigError: it was declared otherwise before.
        """
        if spec.name in self._said and self.queues[spec.name] != spec:
            raise ConfigError(f"queue {spec.name!r} is declared twice, differently: declare it in one place")
        self._said.add(spec.name)
        self.queues[spec.name] = spec

    def add_task(self, task: Task[..., Any, Any]) -> None:
        """Register a task.

        Raises:
            ConfigError: another function has its name.
        """
        known = self.tasks.get(task.name)
        if known is not None and _differ(known.function, task.function):
            raise ConfigError(
                f"two tasks are named {task.name!r} ({_place(known.function)} and {_place(task.function)}): "
                "give one another name with name="
            )
        self.tasks[task.name] = task
        self.queues.setdefault(task.waiting.queue, QueueSpec(name=task.waiting.queue))

    def add_consumer(self, consumer: Consumer) -> None:
        """Register the consumer of a queue.

        Raises:
            ConfigError: the queue has one.
        """
        known = self.consumers.get(consumer.queue)
        if known is not None and _differ(known.function, consumer.function):
            raise ConfigError(f"queue {consumer.queue!r} has a consumer already: {known.name}")
        self.consumers[consumer.queue] = consumer
        self.queues.setdefault(consumer.queue, QueueSpec(name=consumer.queue))


def _differ(one: Any, other: Any) -> bool:
    """Whether these are two functions, rather than one that was imported again, reloaded, or run again."""
    if _name(one) != _name(other):
        return True
    same_run = getattr(one, "__globals__", 1) is getattr(other, "__globals__", 2)
    return same_run and _file(one) == _file(other) and _line(one) != _line(other)


def _place(function: Any) -> str:
    return f"line {_line(function)}: {_name(function)}"


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"


def _file(function: Any) -> str:
    return str(getattr(getattr(function, "__code__", None), "co_filename", ""))


def _line(function: Any) -> int:
    return int(getattr(getattr(function, "__code__", None), "co_firstlineno", 0))
