"""From decorator options to declared parts: every option is checked here, once, when the app is imported."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast, get_args

from forebay.flow import cron as crons
from forebay.flow.retry import Retry
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.options import check_known
from forebay.model.queue import check_name
from forebay.produce.bounds import QueueWays
from forebay.produce.consumer import Consumer
from forebay.produce.decorators import Missed, Overlap, PeriodicWays, TaskWays, TickWays
from forebay.produce.function import is_async, name_of, plain
from forebay.produce.origin import origin
from forebay.produce.pricing import check_cost
from forebay.produce.provided import ProviderSpec
from forebay.produce.schedule import Planned
from forebay.produce.task import Task, TaskOptions
from forebay.produce.ways import OF_TASK, Options, Ways, options

if TYPE_CHECKING:
    from forebay.produce.registry import Registry

DEFAULT_QUEUE = "default"
#: The most that a call may cost.
MOST_COST = 1e12
#: Where options are said that a task has not.
_ELSEWHERE = {
    "using(...) of the task": Ways.__annotations__,
    "app.queue(...) for its queue": ("ttl", *QueueWays.__annotations__),
}
#: The most messages that one batch may have: each is leased, and settled, in one transaction.
MOST = 10_000


def make_task(function: Callable[..., Any], ways: TaskWays, registry: "Registry") -> Task[..., Any, Any]:
    """A task from a function and its options.

    Raises:
        ConfigError: an option makes no sense.
    """
    if isinstance(function, Task):
        raise ConfigError(f"{function.name} is a task already: to declare it once more, decorate its function")
    function = plain(function, "task")
    name = name_of(function, "task", ways.get("name"))
    where = f"task {name}"
    check_known(where, ways, TaskWays.__annotations__, _ELSEWHERE)
    waiting = options(Options(queue=DEFAULT_QUEUE), cast("Ways", _among(ways, Ways)), where)
    running = TaskOptions(
        retry=_policy(where, ways.get("retry")),
        timeout=_maybe(where, ways, "timeout"),
        grace=seconds(ways.get("grace", 5.0), f"{where}: grace"),
        cpu=_flag(where, ways, "cpu"),
        at_most_once=_flag(where, ways, "at_most_once"),
        result_ttl=_maybe(where, ways, "result_ttl"),
        provider=_provider(where, ways.get("provider")),
        provider_key=_provider_key(where, ways, function),
        cost=_cost(where, ways),
    )
    _of_use(where, ways, running)
    task: Task[..., Any, Any] = Task(function, name, registry, waiting, running)
    check_cost(task)
    return task


def _of_use(where: str, ways: TaskWays, running: TaskOptions) -> None:
    """Options that could have no effect beside the others are refused."""
    if ways.get("grace") is not None and running.timeout is None:
        raise ConfigError(f"{where}: grace is the time after a timeout, and it has none: give it timeout= as well")
    if running.at_most_once and ways.get("retry") is not None and running.retry.max_attempts != 1:
        raise ConfigError(f"{where}: a task that runs at most once is never retried: leave out retry= or at_most_once=")


def make_consumer(
    function: Callable[..., Any], queue: str, batch: int, max_wait: Duration, retry: Retry | int | None
) -> Consumer:
    """A consumer from a function and its options.

    Raises:
        ConfigError: an option makes no sense.
    """
    where = f"consumer of {check_name('queue', queue)}"
    if isinstance(function, Task):
        raise ConfigError(f"{where}: {function.name} is a task: decorate a function of a list of messages")
    function = plain(function, "consumer")
    if type(batch) is not int or not 1 <= batch <= MOST:
        raise ConfigError(f"{where}: batch is the most messages handed over at once: 1 to {MOST:,}, not {batch!r}")
    try:
        inspect.signature(function).bind([])
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: it must take exactly one argument: the list of messages") from None
    return Consumer(
        name=getattr(function, "__qualname__", queue).rpartition("<locals>.")[2],
        queue=queue,
        function=function,
        batch=batch,
        max_wait=seconds(max_wait, f"{where}: max_wait"),
        retry=_policy(where, retry),
        is_async=is_async(function),
        origin=origin(function),
    )


class Timing(NamedTuple):
    """When a schedule ticks, and what becomes of ticks that come too late or too early."""

    cron: str
    tz: str
    missed: str
    overlap: str

    @classmethod
    def of(cls, cron: str | Duration | None, every: Duration | None, tz: str, missed: str, overlap: str) -> Self:
        """From the options of `periodic`.

        Raises:
            ConfigError: one of them makes no sense.
        """
        if (cron is None) == (every is None):
            raise ConfigError(f"it takes a cron expression or every=, one of the two, not {cron!r} and {every!r}")
        text = cron if isinstance(cron, str) else crons.interval(cron if every is None else every)
        crons.check(text)
        if tz != "UTC" and crons.is_interval(text):
            raise ConfigError("tz= has no effect on an interval: leave it out, or write a cron expression")
        for name, value, known in (("missed", missed, get_args(Missed)), ("overlap", overlap, get_args(Overlap))):
            if value not in known:
                raise ConfigError(f"{name}={value!r} is not known: use one of {', '.join(known)}")
        if not isinstance(tz, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"tz={tz!r} is no time zone: use an IANA name such as Europe/Vienna")
        if missed == "all" and overlap != "allow":
            raise ConfigError(f"missed='all' has no effect beside overlap={overlap!r}: leave out one of them")
        return cls(text, tz, missed, overlap)


def make_planned(
    function: Callable[..., Any], timed: Callable[[], Timing], ways: PeriodicWays, registry: "Registry"
) -> Planned:
    """A schedule of a function, which becomes a task, or of a task that needs no arguments.

    Args:
        timed: when it ticks; asked for here, so that its errors name the task.

    Raises:
        ConfigError: an option makes no sense.
        BadArguments: the task needs arguments.
    """
    if isinstance(function, Task):
        task, name = _taken(cast("Task[..., Any, Any]", function), registry), ways.get("name")
        where = f"periodic on task {task.name}"
        timing = _timing(where, timed)
        check_known(where, ways, TickWays.__annotations__, {"@app.task(...)": OF_TASK})
    else:
        function = plain(function, "task")
        where = f"periodic task {name_of(function, 'task', ways.get('name'))}"
        timing = _timing(where, timed)
        check_known(where, ways, PeriodicWays.__annotations__, _ELSEWHERE)
        task, name = make_task(function, cast("TaskWays", _among(ways, TaskWays)), registry), None
    body, waiting = task.codec.encode((), {}), options(task.waiting, cast("Ways", _among(ways, Ways)), where)
    if waiting.unique is not None and timing.overlap != "allow":
        raise ConfigError(f"{where}: unique= lets one message wait or run at a time; overlap= has no effect beside it")
    registry.add(task)
    task = registry.tasks[task.name]
    planned = Planned(name=_free(name, task, registry), task=task, body=body, waiting=waiting, **timing._asdict())
    again = (one for one in registry.schedules.values() if one == planned.called(one.name))
    return planned if name is not None else next(again, planned)


def _timing(where: str, timed: Callable[[], Timing]) -> Timing:
    try:
        return timed()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _among(ways: Mapping[str, Any], form: type) -> dict[str, Any]:
    return {key: value for key, value in ways.items() if key in form.__annotations__}


def _free(name: str | None, task: Task[..., Any, Any], registry: "Registry") -> str:
    """The name of a schedule; a task's first one has the name of the task, the others a number after it."""
    if name is not None:
        return check_name("schedule", name)
    count = sum(planned.task is task for planned in registry.schedules.values())
    return task.name if count == 0 else f"{task.name}-{count + 1}"


def _taken(task: Task[..., Any, Any], registry: "Registry") -> Task[..., Any, Any]:
    known = registry.tasks.get(task.name)
    if known is None or known.function is not task.function:
        raise ConfigError(f"task {task.name} is of another registry: include that one first, or declare both in one")
    return known


def _policy(where: str, retry: Retry | int | None) -> Retry:
    if isinstance(retry, Retry):
        return retry
    try:
        return Retry() if retry is None else Retry(max_attempts=retry)
    except ConfigError as error:
        raise ConfigError(f"{where}: retry is a Retry or the number of attempts in all: {error}") from None


def _maybe(where: str, ways: Mapping[str, Any], what: str) -> float | None:
    value = ways.get(what)
    return None if value is None else seconds(value, f"{where}: {what}")


def _provider(where: str, value: object) -> str | None:
    if value is None or isinstance(value, ProviderSpec):
        return None if value is None else value.name
    return check_name(f"{where}: provider", cast("str", value))


def _provider_key(where: str, ways: Mapping[str, Any], function: Callable[..., Any]) -> str | None:
    name = ways.get("provider_key")
    if name is None:
        return None
    if ways.get("provider") is None:
        raise ConfigError(f"{where}: provider_key names an account of its provider, and it has none: give it provider=")
    if ways.get("cpu"):
        raise ConfigError(f"{where}: provider_key has no effect beside cpu=True: leave out one of them")
    parameters = inspect.signature(function).parameters
    if (
        not isinstance(name, str)
        or name not in parameters
        or parameters[name].kind
        in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
    ):
        raise ConfigError(
            f"{where}: provider_key is one of its parameters ({', '.join(parameters)}), not {name!r:.100}"
        )
    return name


def _cost(where: str, ways: Mapping[str, Any]) -> Any:
    cost = ways.get("cost")
    if cost is None or callable(cost):
        return cost
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= MOST_COST:
        raise ConfigError(f"{where}: cost is a number from 0, or a function of the call's arguments, not {cost!r:.100}")
    return float(cost)


def _flag(where: str, ways: Mapping[str, Any], what: str) -> bool:
    value = ways.get(what, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {what} is True or False, not {value!r}")
    return value
