"""A task, a policy, a call and a handle as Python objects: named, wrapped, copied, pickled, asked what they are."""

import asyncio
import concurrent.futures
import copy
import functools
import importlib
import inspect
import multiprocessing
import pickle
import sys
import typing

import pytest

from forebay import ConfigError, Context, DeadLetter, Forebay, ForebayError, Registry, Retry, Snooze, Task
from forebay.model import errors
from forebay.testing import drain

MODULE = """
    from forebay import Context, Forebay, Registry, Retry

    app = Forebay("memory://")
    tasks = Registry()

    @app.task
    def send(to: str, *, subject: str = "") -> str:
        "Sends."
        return to + subject

    def plain(x: int) -> int: return x
    renamed = app.task(name="another")(plain)

    class Jobs:
        @staticmethod
        @app.task(name="inner")
        def outside(x: int) -> int: return x

        @app.task(name="outer")
        @staticmethod
        def inside(x: int) -> int: return x

    @app.task
    async def wait(ctx: Context, x: int) -> int: return x

    @tasks.task
    def shared(x: int) -> int: return x

    app.include(tasks)
"""


@pytest.fixture
def mod(tmp_path, monkeypatch):
    """A module of tasks, imported."""
    (tmp_path / "object_mod.py").write_text(inspect.cleandoc(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("object_mod")
    del sys.modules["object_mod"]


def test_it_has_what_its_function_has(mod):
    send = mod.send
    assert (send.__name__, send.__qualname__, send.__module__, send.__doc__) == ("send", "send", "object_mod", "Sends.")
    assert inspect.signature(send) == inspect.signature(send.function)
    assert typing.get_type_hints(send) == {"to": str, "subject": str, "return": str}
    assert isinstance(send, Task)
    assert callable(send)
    assert inspect.unwrap(send) is send.function
    assert mod.renamed.__qualname__ == "plain"


def test_it_can_be_wrapped_like_a_function(mod):
    @functools.wraps(mod.send)
    def wrapper(*args, **kwargs):
        return mod.send(*args, **kwargs).upper()

    assert wrapper("a", subject="b") == "AB"
    assert wrapper.__name__ == "send"
    assert inspect.signature(wrapper) == inspect.signature(mod.send)
    assert functools.partial(mod.send, subject="c")("a") == "ac"
    assert mod.Jobs.outside(1) == mod.Jobs().outside(1) == mod.Jobs.inside(1) == mod.Jobs().inside(1) == 1


def test_whether_a_call_has_to_be_awaited_can_be_asked(mod):
    ask = inspect.iscoroutinefunction if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction
    assert ask(mod.wait)
    assert not ask(mod.send)


@pytest.mark.parametrize("name", ["send", "renamed", "Jobs.outside", "Jobs.inside", "wait", "shared"])
def test_it_is_copied_and_pickled_by_reference(mod, name):
    task = mod
    for part in name.split("."):
        task = getattr(task, part)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(task, protocol)) is task
    assert copy.copy(task) is task
    assert copy.deepcopy({"task": [task]})["task"][0] is task
    assert pickle.loads(pickle.dumps(mod.app.registry.tasks[task.name])) is task


def test_one_that_no_module_holds_says_how_it_could_be_pickled(mod):
    app = Forebay("memory://")

    @app.task
    def local() -> None: ...

    assert copy.deepcopy(local) is local
    with pytest.raises(ConfigError, match=r"cannot be pickled: module .* keep it in a variable at module level"):
        pickle.dumps(local)


def test_a_pool_of_processes_takes_it(mod):
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(mod.send, ["a", "b"])) == ["a", "b"]


def test_what_is_made_of_a_task_can_be_pickled_as_far_as_the_task_can(mod):
    call = mod.send.call("a", subject="b").using(priority=3)
    again = pickle.loads(pickle.dumps(call))
    assert (again.task, again.body, again.ways) == (call.task, call.body, call.ways)
    using = pickle.loads(pickle.dumps(mod.send.using(delay=5)))
    assert using.call("a").ways == {"delay": 5}
    handle = mod.send.enqueue("a")
    again = pickle.loads(pickle.dumps(handle))
    assert (again.id, again.status()) == (handle.id, "ready")
    with pytest.raises(ConfigError, match=r"keep handle.id, and make it again with app\.handle\(id\)"):
        pickle.dumps(mod.app.handle(handle.id))
    with pytest.raises(ConfigError, match="an app cannot be copied or pickled"):
        pickle.dumps(mod.app)
    drain(mod.app)


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy], ids=lambda way: way.__name__)
def test_a_registry_is_not_copied_or_pickled_and_says_what_to_do(way):
    with pytest.raises(ConfigError, match="a registry cannot be copied or pickled: import it in each process"):
        way(Registry())


POLICIES = [
    Retry(),
    Retry(5, base=2, cap="1m"),
    Retry(after=30),
    Retry(max_age=60, rules={ValueError: Retry.never(), KeyError: Retry(3)}),
]


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
def test_policies_are_compared_copied_and_pickled_by_what_they_say(policy):
    for other in (copy.copy(policy), copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))):
        assert other == policy
        assert hash(other) == hash(policy)
        assert vars(other) == vars(policy)
    assert sum(policy == other for other in POLICIES) == 1
    assert policy != "retry"


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, BaseException)],
    ids=lambda kind: kind.__name__,
)
def test_errors_come_back_whole_from_another_process(kind):
    error = kind("a text")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is kind
        assert (str(other), vars(other)) == (str(error), vars(error))


def test_requests_of_a_task_come_back_whole_from_another_process():
    assert pickle.loads(pickle.dumps(Snooze("5s"))).delay == 5.0
    assert str(pickle.loads(pickle.dumps(DeadLetter("no address")))) == "no address"


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (functools.partial(print, 1), "has no name of its own: give the task one with name="),
        (lambda: None, "has no name of its own"),
        (42, "cannot be a task: decorate a function"),
        (int, "cannot be a task: decorate a function"),
        (classmethod(print), "a class method cannot be a task"),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_what_to_do(thing, says):
    with pytest.raises(ConfigError, match=says):
        Forebay("memory://").task(thing)


def test_a_method_is_refused_where_it_stands_and_taken_when_it_is_bound():
    app = Forebay("memory://")
    with pytest.raises(ConfigError, match=r"Mailer.send is a method, and a message has no object to call it on"):

        class Mailer:
            @app.task
            def send(self, to: str) -> None: ...

    class Poster:
        def post(self, to: str) -> str:
            return to

    task = app.task(name="post")(Poster().post)
    handle = task.enqueue("a")
    drain(app)
    assert handle.result(timeout=0) == "a"


def test_a_task_cannot_become_a_task_or_a_consumer_again(mod):
    with pytest.raises(ConfigError, match="send is a task already"):
        Forebay("memory://").task(mod.send)
    with pytest.raises(ConfigError, match="send is a task: decorate a function of a list of messages"):
        Forebay("memory://").consume("q")(mod.send)


def test_a_name_makes_tasks_of_partials_and_lambdas_and_objects():
    app = Forebay("memory://")

    class Doubler:
        def __call__(self, x: int) -> int:
            return 2 * x

    def larger(a: int, b: int) -> int:
        return max(a, b)

    for name, function in (("a", functools.partial(larger, 8)), ("b", lambda x: 2 * x), ("c", Doubler())):
        try:
            task = app.task(name=name)(function)
        except ForebayError as error:  # a signature or annotations that cannot be read: told at once
            assert isinstance(error, ConfigError)  # noqa: PT017
            continue
        handle = task.enqueue(4)
        drain(app)
        assert handle.result(timeout=0) == 8
    with pytest.raises(ConfigError, match="does not say what it takes"):
        app.task(name="max")(max)


def test_a_context_parameter_is_no_part_of_what_a_producer_gives(mod):
    assert "ctx" in inspect.signature(mod.wait).parameters
    assert typing.get_type_hints(mod.wait)["ctx"] is Context
    assert "ctx" not in mod.wait.codec.given.parameters
