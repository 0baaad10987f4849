"""Lesson 10: tasks that are declared without an app, in modules of their own, and what an app does with them."""

import asyncio
import gc
import subprocess
import sys
import textwrap

import pytest

from forebay import ConfigError, Context, Forebay, Handle, Message, Registry, Retry
from forebay.produce.decorators import TaskWays
from forebay.produce.ways import OF_TASK, Ways
from forebay.testing import ManualClock, adrain, drain


@pytest.fixture
def tasks():
    registry = Registry()

    @registry.task(queue="mail")
    def send(to: str) -> str:
        return f"sent to {to}"

    return registry


def test_a_registry_is_declared_without_an_app_and_included_by_one(app, tasks):
    app.include(tasks)
    handle = tasks.tasks["send"].enqueue("a@b.c")
    drain(app)
    assert handle.result(timeout=0) == "sent to a@b.c"
    assert "mail" in app.registry.queues


def test_a_task_that_no_app_includes_can_be_called_but_not_enqueued(tasks):
    send = tasks.tasks["send"]
    assert send("a@b.c") == "sent to a@b.c"
    with pytest.raises(ConfigError, match=r"no app includes the registry of this task: call app\.include\(registry\)"):
        send.enqueue("a@b.c")


def test_what_is_declared_after_the_inclusion_is_included_too(app, tasks):
    app.include(tasks)
    ran = []

    @tasks.task
    def late() -> None:
        ran.append("late")

    @tasks.consume("clicks")
    def load(messages) -> None:
        ran.append("clicks")

    late.enqueue()
    app.publish("clicks", 1)
    drain(app)
    assert sorted(ran) == ["clicks", "late"]


def test_a_registry_may_include_another(app, tasks):
    all_tasks = Registry()
    all_tasks.include(tasks)
    app.include(all_tasks)
    app.include(all_tasks)  # once more is once
    tasks.tasks["send"].enqueue("a@b.c")
    assert [end.state for end in drain(app)] == ["done"]
    with pytest.raises(ConfigError, match="cannot include itself"):
        tasks.include(all_tasks)
    with pytest.raises(ConfigError, match="include takes a Registry, not"):
        app.include(app)


def test_each_of_several_apps_has_its_own_copy_of_a_task(tasks):
    first, second = Forebay("memory://"), Forebay("memory://")
    send = tasks.tasks["send"]
    first.include(tasks)
    handle = send.enqueue("one app")
    second.include(tasks)
    with pytest.raises(ConfigError, match=r"2 apps include the registry of this task: say which, app\.task_of\(task\)"):
        send.enqueue("which app?")
    second.task_of(send).enqueue("the other app")
    assert [end.value for end in drain(first)] == ["sent to one app"]
    assert [end.value for end in drain(second)] == ["sent to the other app"]
    assert handle.result(timeout=0) == "sent to one app"


def test_a_running_task_enqueues_through_the_app_that_runs_it(tasks):
    first, second = Forebay("memory://"), Forebay("memory://")
    send = tasks.tasks["send"]

    @tasks.task
    def welcome() -> None:
        send.enqueue("from within")

    first.include(tasks)
    second.include(tasks)
    second.task_of(welcome).enqueue()
    assert [end.task for end in drain(second)] == ["welcome", "send"]
    assert drain(first) == []


def test_an_app_that_is_gone_includes_nothing_any_more(tasks):
    app = Forebay("memory://")
    app.include(tasks)
    del app
    gc.collect()
    with pytest.raises(ConfigError, match="no app includes"):
        tasks.tasks["send"].enqueue("a@b.c")
    again = Forebay("memory://")
    again.include(tasks)
    assert isinstance(tasks.tasks["send"].enqueue("a@b.c"), Handle)


def test_a_name_that_means_something_else_in_the_app_is_refused_and_nothing_is_included(app, tasks):
    @app.task
    def send(number: int) -> None: ...

    @tasks.task
    def other() -> None: ...

    with pytest.raises(ConfigError, match=r"two tasks are named 'send' \(.*\): give one another name"):
        app.include(tasks)
    assert list(app.registry.tasks) == ["send"]
    clashing = Registry()
    app.include(clashing)
    with pytest.raises(ConfigError, match="two tasks are named 'send'"):
        clashing.task(name="send")(lambda: None)
    assert clashing.tasks == {}


def test_schedules_of_a_registry_tick_in_its_app():
    tasks, ran = Registry(), []

    @tasks.periodic("*/5 * * * *")
    def tidy() -> None:
        ran.append("tidy")

    app = Forebay("memory://", clock=ManualClock())
    app.include(tasks)
    drain(app, ahead=3600)
    assert len(ran) == 12


def test_a_zone_that_is_not_known_is_refused_when_an_app_includes_it():
    tasks = Registry()  # reading zones means reading files, which a module of tasks does not do when imported

    @tasks.periodic("30 9 * * *", tz="Europe/Atlantis")
    def tidy() -> None: ...

    with pytest.raises(ConfigError, match="time zone 'Europe/Atlantis' is not known here"):
        Forebay("memory://").include(tasks)


def test_importing_a_module_of_tasks_opens_no_file_and_starts_no_thread(tmp_path):
    (tmp_path / "shop.py").write_text(
        textwrap.dedent("""
            from forebay import Registry
            tasks = Registry()

            @tasks.task(queue="mail", retry=3)
            def send(to: str) -> str: return to

            @tasks.periodic("30 9 * * *", tz="Europe/Vienna")
            def tidy() -> None: ...

            @tasks.consume("clicks")
            def load(messages) -> None: ...

            @tasks.on_start
            def connect() -> None: ...
        """)
    )
    code = """
        import sys, threading
        import forebay, forebay.testing
        import zoneinfo, shop_empty
        seen = []
        def heard(name, args):
            if name in ("open", "socket.connect"): seen.append((name, args[:1]))
        sys.addaudithook(heard)
        import shop
        others = [one for one in seen if "shop" not in str(one)]
        assert not others, others
        assert threading.active_count() == 1
    """
    (tmp_path / "shop_empty.py").write_text("")
    command = [sys.executable, "-B", "-c", textwrap.dedent(code)]  # bytecode may be written else
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_hooks_are_kept_in_the_order_in_which_they_were_declared(app, tasks):
    @app.registry.on_start
    def first() -> None: ...

    @tasks.on_start
    async def second() -> None: ...

    app.include(tasks)

    @tasks.on_start
    def third() -> None: ...

    assert list(app.on_start) == [first, second, third]
    assert len(tasks.on_stop) == 0


def test_a_hook_that_cannot_be_called_with_what_it_is_given_is_refused(app):
    with pytest.raises(ConfigError, match=r"on_start: .*connect has to be a function of no arguments"):

        @app.on_start
        def connect(url) -> None: ...

    with pytest.raises(ConfigError, match=r"on_failure: .*tell has to be a function of \(context, error, outcome\)"):

        @app.on_failure
        def tell(error) -> None: ...


def test_a_hook_that_is_run_again_takes_its_old_place(app):
    for _ in range(2):

        @app.on_failure
        def tell(context: Context, error: BaseException, outcome: object) -> None: ...

    assert list(app.on_failure) == [tell]


@pytest.mark.parametrize("kind", ["drain", "adrain"])
def test_hooks_are_called_in_a_drain_as_in_a_worker(app, kind):
    told = []

    @app.on_start
    async def first() -> None:
        told.append("first")

    @app.on_start
    def second() -> None:
        told.append("second")

    @app.on_failure
    async def failed(context: Context, error: BaseException, outcome: object) -> None:
        told.append((context.attempt, str(error), str(outcome.move)))

    @app.on_stop
    def stopped() -> None:
        told.append("stopped")

    @app.task(retry=Retry(2, after=0))
    def work() -> None:
        told.append("work")
        raise ValueError("no")

    work.enqueue()
    drain(app) if kind == "drain" else asyncio.run(adrain(app))
    failures = [(1, "no", "retry"), (2, "no", "dead-letter")]
    assert told == ["first", "second", "work", failures[0], "work", failures[1], "stopped"]


@pytest.mark.parametrize("kind", ["drain", "adrain"])
def test_a_drain_without_hooks_leaves_the_place_to_a_fake(app, kind):
    client = ["fake"]

    @app.on_start
    def connect() -> None:
        client[0] = "real"

    @app.on_stop
    def leave() -> None:
        client.clear()

    @app.on_failure
    def tell(context: Context, error: BaseException, outcome: object) -> None:
        client.append("told")

    @app.task(retry=1)
    def call() -> None:
        raise ValueError(client[0])

    call.enqueue()
    (ended,) = drain(app, hooks=False) if kind == "drain" else asyncio.run(adrain(app, hooks=False))
    assert str(ended.error) == "fake"
    assert client == ["fake"]


def test_unknown_options_of_a_declaration_are_refused_with_those_that_there_are(app):
    for declare, known in (
        (lambda: app.queue("mail", size=3), "name, ttl"),
        (lambda: app.consume("clicks", size=3), "batch, max_wait"),
        (lambda: Retry(retries=3), "max_attempts"),
    ):
        with pytest.raises(ConfigError, match=f"unknown option .*: known are .*{known}"):
            declare()
    with pytest.raises(ConfigError, match=r"limit is an int, not 'a'$"):
        app.messages(limit="a")


@pytest.mark.parametrize(
    ("declare", "where"),
    [
        (lambda app: app.task(unique="a")(work), r"unique is said in using\(\.\.\.\) of the task"),
        (lambda app: app.task(ttl=5)(work), r"ttl is said in app\.queue\(\.\.\.\) for its queue"),
        (lambda app: app.periodic("@daily", rate="5/s")(work), r"rate is said in app\.queue\(\.\.\.\)"),
        (lambda app: app.task(work).using(timeout=5), r"timeout is said in @app\.task\(\.\.\.\)"),
        (lambda app: app.publish("raw", 1, retry=5), r"retry is said in @app\.task\(\.\.\.\)"),
        (lambda app: app.provider("smtp", open_for=5), r"open_for is said in breaker=Breaker\(\.\.\.\)"),
    ],
)
def test_an_option_that_belongs_elsewhere_says_where(app, declare, where):
    with pytest.raises(ConfigError, match=f"unknown option .*{where}"):
        declare(app)


def work() -> None: ...


def test_what_a_message_is_told_of_the_options_of_a_task_is_all_of_them():
    assert set(OF_TASK) == set(TaskWays.__annotations__) - set(Ways.__annotations__) - {"name"}


def test_a_drain_tells_of_every_failure_as_a_worker_does(app, monkeypatch):
    told = {}

    @app.on_failure
    def tell(context: Context, error: BaseException, outcome: object) -> None:
        told[context.id] = (type(error).__name__, str(outcome.move))

    @app.task(at_most_once=True)
    def once() -> None:
        raise ValueError("no")

    @app.task
    def bad_result() -> int:
        return "no"

    @app.task(timeout=0.01, retry=1)
    async def too_slow() -> None:
        await asyncio.sleep(60)

    @app.task
    def number(value: int) -> int:
        return value

    @app.consume("raw", retry=1)
    def load(messages: list[Message]) -> None:
        raise KeyError("no")

    expected = {
        once.enqueue().id: ("ValueError", "ack"),
        bad_result.enqueue().id: ("BadResult", "dead-letter"),
        too_slow.enqueue().id: ("TimeLimit", "dead-letter"),
        app.publish("raw", 1).id: ("KeyError", "dead-letter"),
    }
    misfit = number.enqueue(1)
    expected[misfit.id] = ("UnknownTask", "dead-letter")
    monkeypatch.delitem(app.registry.tasks, "number")
    drain(app)
    assert told == expected


def test_a_message_of_a_task_in_the_queue_of_a_consumer_is_not_handed_to_it(app):
    seen = []

    @app.consume("clicks")
    def load(messages) -> None:
        seen.extend(messages)

    @app.task
    def send() -> None: ...

    handle = send.using(queue="clicks").enqueue()
    drain(app)
    assert seen == []
    assert "queue 'clicks' has a consumer of raw messages" in handle.find().cause
