"""Promise 10: what is accepted as an option has its effect, at every value, or is refused at once with one clear error.

Options are listed from the signatures and annotations themselves: a new one without a row here is a failure.
"""

import contextlib
import inspect
import math
import typing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from forebay import ConfigError, Context, EngineFull, Forebay, NoSuchMessage, PayloadTooLarge, Registry, Retry
from forebay.config import Given, Settings, WorkerOptions
from forebay.produce.declaring import Declares
from forebay.produce.decorators import PeriodicWays, TaskWays, TickWays
from forebay.produce.ways import RawWays, Ways
from forebay.testing import ManualClock, drain

#: Values at the ends of what may be given, and beyond.
EXTREMES = [
    *(0, -1, 1, 2**31, -(2**31) - 1, 10**10, 10**30, 2**63, 1e-9, 1e10, 1e300, -0.5, math.inf, -math.inf, math.nan),
    *(True, False, "", "x", "0", "1", "30s", "1e5", "\0", "\ud800", "x" * 10_000, b"x", [], {}, {"a": "b"}, {"a": 1}),
    *(timedelta.max, timedelta.min, timedelta(0), timedelta(microseconds=1), object(), int, Retry(1), Retry(after=0)),
    *(datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(2030, 1, 1)),  # noqa: DTZ001
]


def tried(make, run):
    """What went wrong with any of the extreme values: `make` takes it or refuses it, `run` uses what was taken."""
    faults = []
    for value in EXTREMES:
        try:
            made = make(value)
        except ConfigError as error:
            faults += [(value, "a long error")] * (len(str(error)) > 21_000)
            continue
        except Exception as error:  # noqa: BLE001 - any other one is a fault
            faults.append((value, repr(error)))
            continue
        try:
            if (end := run(made)) is not None:
                faults.append((value, end))
        except Exception as error:  # noqa: BLE001 - and so is what comes later
            faults.append((value, f"later: {error!r}"))
    return faults


def parameters(function):
    return {name for name in inspect.signature(function).parameters if name not in {"self", "ways", "function"}}


@pytest.fixture(params=["memory", "sqlite"])
def app(request, tmp_path):
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/q.db"
    with Forebay(url, clock=ManualClock()) as app:
        yield app


def deliveries(app, make, *, ahead=0.0):
    """The deliveries of a task's messages that `make` has enqueued."""
    seen = []

    def probe(ctx: Context) -> None:
        seen.append(ctx.delivery)

    make(probe)
    drain(app, *app.registry.queues, ahead=ahead)
    return seen


#: How a way to wait shows in the delivery, with an unusual value.
WAYS = {
    "id": ("chosen:1", lambda d, _: d.id == "chosen:1"),
    "delay": (61, lambda _, app: app.clock.now() >= app.begun + 61),
    "due": (datetime(2030, 1, 1, tzinfo=UTC), lambda _, app: app.clock.now() >= 1893456000),
    "priority": (-(2**31), lambda d, _: d.priority == -(2**31)),
    "key": ("k" * 512, lambda d, _: d.key == "k" * 512),
    "unique": ("u" * 512, lambda _, app: app.twice == 1),
    "expires": (77, lambda d, _: d.expires == d.created + 77),
    "headers": ({"a": "b"}, lambda d, _: d.headers == {"a": "b"}),
    "queue": ("other", lambda d, _: d.queue == "other"),
    "debounce": (61, lambda _, app: app.clock.now() >= app.begun + 61),
    "max_wait": (61, lambda _, app: app.clock.now() >= app.begun + 61),
    "in_time": (True, lambda d, _: d.expires == d.created + 77),  # what comes in time; what does not is tried elsewhere
}
#: What a way needs beside it.
BESIDE = {"debounce": {"unique": "u"}, "max_wait": {"unique": "u", "debounce": 61}, "in_time": {"expires": 77}}


def test_every_way_to_wait_has_a_row():
    assert set(WAYS) == set(Ways.__annotations__) | set(RawWays.__annotations__)


@pytest.mark.parametrize("name", WAYS)
def test_a_way_to_wait_has_its_effect(app, name):
    value, shows = WAYS[name]
    app.begun = app.clock.now()

    def make(probe):
        task = app.task(probe)
        app.queue("other")
        using = task.using(**{name: value, **BESIDE.get(name, {})})
        app.twice = len({using.enqueue().id for _ in range(2)})

    seen = deliveries(app, make, ahead=2e9 if name == "due" else 100)
    assert all(shows(delivery, app) for delivery in seen)
    assert seen


TASK = {
    "name": ("other.name", lambda task: task.name == "other.name"),
    "queue": ("other", lambda task: task.enqueue().find().queue == "other"),
    "retry": (2, lambda task: task.running.retry == Retry(2)),
    "timeout": (timedelta(minutes=1), lambda task: task.running.timeout == 60),
    "grace": ("7s", lambda task: task.running.grace == 7),
    "cpu": (True, lambda task: task.running.cpu),
    "at_most_once": (True, lambda task: task.running.at_most_once),
    "priority": (9, lambda task: task.enqueue().find().priority == 9),
    "expires": ("9s", lambda task: round(task.enqueue().find().expires - task.enqueue().find().created) == 9),
    "result_ttl": ("1d", lambda task: task.running.result_ttl == 86400),
    "cost": (7, lambda task: task.messages([task.codec.encode((), {})], task.waiting)[0].cost == 7),
    "provider": ("smtp", lambda task: task.enqueue().find().lane == "smtp"),
}


def test_every_option_of_a_task_has_a_row():
    assert set(TASK) | {"provider_key"} == set(
        TaskWays.__annotations__
    )  # which needs a parameter, and is tried elsewhere
    assert set(PeriodicWays.__annotations__) == set(TASK) | {"provider_key"} | {"key", "unique", "headers"}
    assert set(TickWays.__annotations__) <= set(PeriodicWays.__annotations__)


@pytest.mark.parametrize("name", TASK)
def test_an_option_of_a_task_has_its_effect(app, name):
    value, shows = TASK[name]
    app.provider("smtp")

    @app.task(**{name: value, **({"timeout": 5} if name == "grace" else {})})
    def work() -> None: ...

    assert shows(work)


def ways_of(name):
    return {name: None, **BESIDE.get(name, {}), **({"timeout": 5} if name == "grace" else {})}


def ended(app, task):
    """How a message of a task ended, if that is not one of the ways in which it may."""
    handle = task.enqueue()
    drain(app, *app.registry.queues)
    with contextlib.suppress(NoSuchMessage):  # what is remembered for no time at all
        state = handle.status()
        return None if state in {"done", "scheduled", "expired", "ready", "dead"} else state


@pytest.mark.parametrize("name", sorted(TASK))
def test_an_extreme_option_of_a_task_has_its_effect_or_is_refused_at_once(name):
    def make(value):
        app = Forebay("memory://", clock=ManualClock())
        if name == "provider" and value is not None:
            app.provider(value)
        return app, app.task(**{**ways_of(name), name: value})(_takes_nothing)

    assert tried(make, lambda made: ended(*made)) == []


@pytest.mark.parametrize("name", sorted(WAYS))
def test_an_extreme_way_to_wait_has_its_effect_or_is_refused_at_once(name, tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/q.db", clock=ManualClock()) as app:
        task = app.task(_takes_nothing)
        assert tried(lambda value: task.using(**{**ways_of(name), name: value}), lambda using: ended(app, using)) == []


@pytest.mark.parametrize("name", sorted(parameters(Retry.__init__)))
def test_an_extreme_policy_has_its_effect_or_is_refused_at_once(name):
    def run(policy):
        app = Forebay("memory://", clock=ManualClock())
        return ended(app, app.task(retry=policy)(_fails))

    assert tried(lambda value: Retry(**{name: value}), run) == []


CONSUME = {"queue", "batch", "max_wait", "retry"}
PERIODIC = {"cron", "every", "tz", "missed", "overlap"}
QUEUE = {"name", "ttl"}


def test_every_option_of_the_other_decorators_has_a_row():
    assert parameters(Declares.consume) == CONSUME
    assert parameters(Declares.periodic) == PERIODIC
    assert parameters(Declares.queue) == QUEUE


@pytest.mark.parametrize(
    ("verb", "name"),
    [*(("consume", n) for n in sorted(CONSUME)), *(("periodic", n) for n in sorted(PERIODIC)), ("queue", "ttl")],
)
def test_an_extreme_option_of_another_decorator_has_its_effect_or_is_refused_at_once(verb, name):
    usual = {"consume": {"queue": "q"}, "periodic": {"cron": "@daily"}, "queue": {"name": "q"}}[verb]
    usual.pop("cron" if name == "every" else "", None)

    def make(value):
        app = Forebay("memory://", clock=ManualClock())
        made = getattr(app, verb)(**{**usual, name: value})
        if verb != "queue":
            made(_takes_one if verb == "consume" else _takes_nothing)
        return app

    def run(app):
        app.publish("q", 1)
        drain(app, *app.registry.queues)

    assert tried(make, run) == []


def _fails() -> None:
    raise ValueError("no")


def _takes_one(messages) -> None: ...


def _takes_nothing() -> None: ...


def test_every_setting_may_be_given_by_a_program():
    assert set(Given.__annotations__) == set(Settings.__struct_fields__) - {"url"}
    hints = typing.get_type_hints(Given)
    assert hints["durability"] == typing.Literal["full", "normal"]


@pytest.mark.parametrize("name", sorted(set(Settings.__struct_fields__) - {"url"}))
def test_an_extreme_setting_is_usable_or_refused_at_once(tmp_path, name):
    places = iter(range(1000))

    def run(app):
        with app, contextlib.suppress(PayloadTooLarge if name == "payload_limit" else EngineFull):
            state = app.publish("q", "text").status()
            return None if state == "ready" else state

    assert tried(lambda value: Forebay(f"sqlite:///{tmp_path}/{next(places)}.db", **{name: value}), run) == []


def test_every_option_of_a_worker_has_bounds_or_a_type():
    for field in msgspec.structs.fields(WorkerOptions):
        for value in (-1, 10**30, math.nan, math.inf, None, "many", True):
            if field.type in (int, float):
                with pytest.raises(ConfigError, match=f"{field.name}=.* is not usable: it is a number from"):
                    WorkerOptions(**{field.name: value})


@pytest.mark.parametrize("timeout", [-1, math.nan, math.inf, True, "soon", [], -timedelta(1)])
def test_a_timeout_of_a_result_is_a_duration(app, timeout):
    @app.task
    def work() -> None: ...

    handle = work.enqueue()
    with pytest.raises(ConfigError, match="timeout"):
        handle.result(timeout=timeout)


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ({"state": "asleep"}, "a state is one of"),
        ({"limit": 0}, "limit=0 is not usable"),
        ({"limit": "5"}, "limit is an int, not '5'"),
        ({"queues": "a"}, "unknown filter queues: known are queue, task, state, key, unique, after, limit"),
        ({"key": 5}, "key is a str, not 5"),
        ({"queue": "\ud800"}, "surrogates not allowed"),
    ],
)
def test_filters_of_messages_are_checked(app, which, says):
    with pytest.raises(ConfigError, match=says):
        app.messages(**which)


def test_filters_of_messages_have_their_effect(app):
    @app.task(queue="mail")
    def send() -> None: ...

    one = send.using(key="k", unique="u", priority=3).enqueue()
    two = send.enqueue()
    app.publish("clicks", 1)
    assert [found.id for found in app.messages(task=send)] == [one.id, two.id]
    assert [found.id for found in app.messages(task="send", after=one.id)] == [two.id]
    assert [found.id for found in app.messages(key="k")] == [one.id]
    assert [found.id for found in app.messages(unique="u")] == [one.id]
    assert [found.queue for found in app.messages(queue="clicks")] == ["clicks"]
    assert len(app.messages(limit=2)) == 2
    assert app.messages(state="dead") == []
    assert [(depth.queue, depth.ready) for depth in app.queues("mail", "clicks")] == [("clicks", 1), ("mail", 2)]


def test_a_registry_checks_like_an_app():
    for make in (Registry, lambda: Forebay("memory://")):
        with pytest.raises(ConfigError, match="task _takes_nothing: unknown option retries"):
            make().task(retries=3)(_takes_nothing)
