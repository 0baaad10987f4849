"""What an app asks of its engine, read from what it has declared; and what one message asks that was not declared.

Pure. Who has it, and what is said if nobody does, stands in `engine.capabilities`.
"""

from collections.abc import Iterable, Iterator
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Protocol

from forebay.engine.capabilities import Need
from forebay.model.errors import ConfigError
from forebay.model.queue import QueueSpec

if TYPE_CHECKING:
    from forebay.produce.registry import Registry
    from forebay.produce.task import Task

#: Options of a queue that are meters.
_METERED = ("rate", "burst", "concurrency", "key_rate", "key_burst", "key_concurrency", "ordered")
#: Options of a queue that say how much it holds.
_LIMITS = ("limit", "limit_bytes", "limit_age")
#: Parameters that take any number of arguments.
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Waits(Protocol):
    """How a message waits; see `produce.ways.Options`."""

    @property
    def priority(self) -> int: ...
    @property
    def delay(self) -> float: ...
    @property
    def due(self) -> float | None: ...
    @property
    def unique(self) -> str | None: ...


def needs_of(declared: "Registry | None") -> Iterator[Need]:
    """All that is declared up to now; nothing by an app that is gone.

    Raises:
        ConfigError: a task names a provider that nobody has declared.
    """
    if declared is None:
        return
    for task in declared.tasks.values():
        yield from needs_of_waiting(f"task {task.name}", task.waiting)
        _known(task.name, task.running.provider, declared)
    for spec in declared.queues.values():
        yield from _of_queue(spec)
    for name in declared.providers:
        yield Need("meters", f"provider {name}", "app.provider()")
        _replaced(name, declared)
    for name, planned in declared.schedules.items():
        yield from needs_of_waiting(f"schedule {name}", planned.waiting)


def _replaced(name: str, declared: "Registry") -> None:
    fallback = declared.providers[name].fallback
    if fallback is None:
        return
    task = declared.tasks.get(fallback)
    if fallback in declared.providers:
        _other(name, fallback, declared)
        return
    if task is None:
        raise ConfigError(f"provider {name}: its fallback {fallback!r} is no task of this app, nor a provider")
    if task.running.provider == name or task.running.cpu:
        why = "depends on it as well" if task.running.provider == name else "runs in a process of its own (cpu=True)"
        raise ConfigError(f"provider {name}: its fallback {fallback!r} {why}: name another task")
    for given in _those_of(name, declared):
        _takes(given, task, f"provider {name}: its fallback {fallback!r}")


def _those_of(name: str, declared: "Registry") -> "list[Task[..., Any, Any]]":
    """The tasks whose work comes to the fallback of a provider: its own, and those of whoever falls back on it."""
    asked = {task.name: task.running.provider for task in declared.tasks.values()}
    falls = {one.name: asked.get(one.fallback or "", one.fallback) for one in declared.providers.values()}
    names = {name}
    while more := {one for one, other in falls.items() if other in names} - names:
        names |= more
    return [task for task in declared.tasks.values() if task.running.provider in names]


def _takes(given: "Task[..., Any, Any]", task: "Task[..., Any, Any]", who: str) -> None:
    """Raises ConfigError for a fallback that can never be called with the arguments of another task."""
    has, wants = given.codec.given.parameters, task.codec.given.parameters
    if extra := [name for name in _musts(has.values()) if name not in wants]:
        raise ConfigError(
            f"{who} gets the arguments of task {given.name}, and takes no {extra[0]!r}: have it take that"
        )
    if missing := [name for name in _musts(wants.values()) if name not in has]:
        raise ConfigError(
            f"{who} gets the arguments of task {given.name}, and needs {missing[0]!r} besides: give that a default"
        )


def _musts(parameters: Iterable[Parameter]) -> list[str]:
    """The names of those that always have a value in a message."""
    return [one.name for one in parameters if one.default is one.empty and one.kind not in _VARIABLE]


def _other(name: str, fallback: str, declared: "Registry") -> None:
    """Another provider takes its work: with the same tasks, in the same processes."""
    if fallback == name:
        raise ConfigError(f"provider {name}: its fallback is itself: name another provider, or a task")
    if fallback in declared.tasks:
        raise ConfigError(f"provider {name}: its fallback {fallback!r} is a task and a provider: rename one of them")
    apart = [task.name for task in declared.tasks.values() if task.running.provider == name and task.running.cpu]
    if apart:
        raise ConfigError(
            f"provider {name}: task {apart[0]} runs in a process of its own (cpu=True), where nobody tells it to ask "
            f"{fallback!r}: have a task as fallback="
        )


def _known(task: str, provider: str | None, declared: "Registry") -> None:
    if provider is not None and provider not in declared.providers:
        known = f": known are {', '.join(sorted(declared.providers))}" if declared.providers else ""
        raise ConfigError(
            f"task {task}: provider {provider!r} is not declared: app.provider({provider!r}) declares it{known}"
        )


def needs_of_waiting(by: str, how: Waits) -> Iterator[Need]:
    """What a message needs that waits like this."""
    if how.priority:
        yield Need("priorities", by, f"priority={how.priority}")
    if how.delay:
        yield Need("delays", by, f"delay={how.delay:g}")
    if how.due is not None:
        yield Need("delays", by, f"due={how.due:g}")
    if how.unique is not None:
        yield Need("unique", by, f"unique={how.unique!r}")


def _of_queue(spec: QueueSpec) -> Iterator[Need]:
    for name in _METERED:
        if value := getattr(spec, name):
            yield Need("meters", f"queue {spec.name}", f"{name}={value}")
    if spec.lifo:
        yield Need("lifo", f"queue {spec.name}", "lifo=True")
    if spec.fair:
        yield Need("fair", f"queue {spec.name}", "fair=True")
    if spec.on_full == "spill":
        yield Need("durable", f"queue {spec.name}", "on_full='spill'")
    for name in _LIMITS:
        if value := getattr(spec, name):
            yield Need("limits", f"queue {spec.name}", f"{name}={value}")
