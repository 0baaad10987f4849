"""From decorator options to registered parts: every option is checked here, once, when the app is imported."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from forebay.flow import cron as crons
from forebay.flow.retry import Retry
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.message import Message
from forebay.model.queue import check_name
from forebay.model.sealed import FIRED_BY, Part
from forebay.produce.decorators import TaskWays
from forebay.produce.producer import Options, Producer
from forebay.produce.registry import Consumer
from forebay.produce.task import Task, TaskOptions
from forebay.store.contract import Schedule

DEFAULT_QUEUE = "default"


def make_task(function: Callable[..., Any], ways: TaskWays, producer: Producer) -> Task[..., Any, Any]:
    """A task from a function and its options.

    Raises:
        ConfigError: an option makes no sense.
    """
    _known(ways, TaskWays)
    name = check_name("task", ways.get("name") or default_name(function))
    waiting = Options(
        queue=check_name("queue", ways.get("queue", DEFAULT_QUEUE)),
        priority=ways.get("priority", 0),
        expires=_maybe(ways.get("expires"), "expires"),
    )
    running = TaskOptions(
        retry=_policy(ways.get("retry")),
        timeout=_maybe(ways.get("timeout"), "timeout"),
        grace=seconds(ways.get("grace", 5.0), "grace"),
        cpu=ways.get("cpu", False),
        at_most_once=ways.get("at_most_once", False),
        result_ttl=_maybe(ways.get("result_ttl"), "result_ttl"),
    )
    return Task(function, name, producer, waiting, running)


def make_consumer(
    function: Callable[..., Any], queue: str, batch: int, max_wait: Duration, retry: Retry | int | None
) -> Consumer:
    """A consumer from a function and its options.

    Raises:
        ConfigError: an option makes no sense.
    """
    if batch < 1:
        raise ConfigError(f"batch is the most messages handed over at once, so at least 1, not {batch}")
    if len(inspect.signature(function).parameters) != 1:
        raise ConfigError(f"consumer {default_name(function)} must take exactly one argument: the list of messages")
    return Consumer(
        name=default_name(function),
        queue=check_name("queue", queue),
        function=function,
        batch=batch,
        max_wait=seconds(max_wait, "max_wait"),
        retry=_policy(retry),
        is_async=inspect.iscoroutinefunction(function),
    )


def make_schedule(task: Task[..., Any, Any], cron: str, tz: str, missed: str, now: float) -> Schedule:
    """A schedule for a task that needs no arguments.

    Raises:
        ConfigError: the expression, the zone or the policy is not usable, or the task needs arguments.
    """
    crons.check(cron, tz)
    if missed not in crons.MISSED:
        raise ConfigError(f"missed={missed!r} is not known: use one of {', '.join(crons.MISSED)}")
    tick = Message(
        id="", queue=task.waiting.queue, task=task.name, body=task.codec.encode((), {}), headers={FIRED_BY: task.name}
    )
    seal = task.producer.seal
    return Schedule(
        name=task.name,
        cron=cron,
        tz=tz,
        message=tick if seal is None else replace(tick, body=seal.close(Part.BODY, tick, tick.body)),
        missed=missed,
        next=crons.following(cron, tz, now),
    )


def default_name(function: Callable[..., Any]) -> str:
    """The function's own name, without its module: the same whether the file is run or imported."""
    return function.__qualname__.rpartition("<locals>.")[2].replace("<lambda>", "lambda")


def _policy(retry: Retry | int | None) -> Retry:
    if isinstance(retry, Retry):
        return retry
    return Retry() if retry is None else Retry(max_attempts=retry)


def _maybe(value: Duration | None, what: str) -> float | None:
    return None if value is None else seconds(value, what)


def _known(given: Mapping[str, Any], form: type) -> None:
    if unknown := sorted(set(given) - set(form.__annotations__)):
        known = ", ".join(form.__annotations__)
        raise ConfigError(f"unknown option {', '.join(unknown)}: known are {known}")
