"""Testing an app, 1: `drain` runs what is due, here and now, the way a worker would, and says how each run ended."""

import asyncio
import threading

import pytest

from forebay import (
    Context,
    DeadLetter,
    Forebay,
    ForebayError,
    Message,
    QueueFull,
    Retry,
    Snooze,
    State,
    TaskFailed,
    TimeLimit,
)
from forebay.engine.waiting import drive
from forebay.model.errors import ConfigError
from forebay.testing import ManualClock, adrain, drain, in_memory


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def app(clock):
    return Forebay("memory://", clock=clock)


def states(ended):
    return [one.state for one in ended]


def test_drain_runs_what_waits_in_order_and_returns_how_each_run_ended(app):
    @app.task
    async def double(number: int) -> int:
        return number * 2

    @app.task
    def half(number: int) -> float:
        return number / 2

    first, second = double.enqueue(4), half.enqueue(4)
    ended = drain(app)
    assert [(one.id, one.task, one.value, one.state) for one in ended] == [
        (first.id, "double", 8, State.DONE),
        (second.id, "half", 2.0, State.DONE),
    ]
    assert (first.result(), second.result()) == (8, 2.0)
    assert drain(app) == []


def test_what_a_task_enqueues_is_drained_too_and_knows_where_it_came_from(app):
    @app.task
    def parent() -> str:
        return child.enqueue().id

    @app.task
    def child() -> dict[str, str]:
        return dict(Context.current().headers)

    root = parent.enqueue()
    first, second = drain(app)
    assert first.value == second.id
    assert second.value["forebay-parent"] == root.id


def test_a_failure_is_settled_as_the_retry_policy_says_and_comes_back_when_its_time_has_come(app, clock):
    @app.task(retry=Retry(max_attempts=2, base=30, cap=30))
    def flaky() -> str:
        if Context.current().attempt == 1:
            raise OSError("not yet")
        return "at last"

    handle = flaky.enqueue()
    (failed,) = drain(app)
    assert failed.state is handle.status() is State.SCHEDULED
    assert isinstance(failed.error, OSError)
    assert drain(app) == [], "its backoff has not passed"
    clock.advance(30)
    (again,) = drain(app)
    assert (again.attempt, again.value) == (2, "at last")


def test_ahead_moves_the_clock_through_everything_that_becomes_due(app, clock):
    start = clock.now()

    @app.task(retry=Retry(max_attempts=3, base=10, cap=10))
    def fails() -> None:
        raise OSError

    @app.task
    def note() -> float:
        return app.clock.now() - start

    fails.enqueue()
    for delay in (20, 40, 61):
        note.using(delay=delay).enqueue()
    ended = drain(app, ahead=60)
    assert [one.value for one in ended if one.task == "note"] == [20, 40]
    assert [one.state for one in ended if one.task == "fails"] == [State.SCHEDULED, State.SCHEDULED, State.DEAD]
    assert clock.now() - start == 60
    assert [one.value for one in drain(app, ahead=1)] == [61]


def test_schedules_fire_when_the_clock_has_passed_their_ticks(app, clock):
    @app.periodic("*/15 * * * *")
    def report() -> None: ...

    assert drain(app) == []
    assert len(drain(app, ahead=3600)) == 4
    clock.advance(3600)
    assert len(drain(app)) == 1, "nobody was there to fire them: missed ticks are made up for once"


def test_an_endless_chain_is_stopped_with_what_to_do(app):
    @app.task
    def again() -> None:
        again.enqueue()

    again.enqueue()
    with pytest.raises(AssertionError, match="does a task enqueue itself"):
        drain(app, limit=50)


def test_snooze_dead_letter_and_expiry_end_as_they_do_in_a_worker(app, clock):
    @app.task
    def sleepy() -> Snooze | None:
        return Snooze(60)

    @app.task
    def hopeless() -> None:
        raise DeadLetter("no such customer")

    @app.task(expires=10)
    def soon() -> None: ...

    sleepy.enqueue()
    hopeless.enqueue()
    ended = drain(app)
    assert [(one.task, one.state) for one in ended] == [("sleepy", State.SCHEDULED), ("hopeless", State.DEAD)]
    assert ended[1].cause == "dead-letter: no such customer"
    late = soon.enqueue()
    clock.advance(11)
    assert drain(app, "default") == []
    assert late.status() is State.EXPIRED


def test_arguments_that_no_longer_fit_are_a_dead_letter_as_in_a_worker(app):
    @app.task(name="greet")
    def as_it_was(name: str) -> None: ...

    as_it_was.enqueue("Ada")
    del app.registry.tasks["greet"]

    @app.task
    def greet(name: str, language: str) -> None: ...

    (dead,) = drain(app)
    assert dead.state is State.DEAD
    assert "missing required field `language`" in dead.cause


def test_raising_lets_the_test_fail_where_the_task_did(app):
    @app.task
    def broken() -> None:
        raise ZeroDivisionError("nothing to share")

    @app.task(name="gone")
    def gone() -> None: ...

    handle = broken.enqueue()
    with pytest.raises(ZeroDivisionError, match="nothing to share"):
        drain(app, raising=True)
    assert handle.status() is State.SCHEDULED, "it is settled all the same"
    lost = gone.enqueue()
    del app.registry.tasks["gone"]
    with pytest.raises(TaskFailed, match=f"message {lost.id} of gone is dead: dead-letter: unknown task 'gone'"):
        drain(app, raising=True)


def test_consumers_get_their_messages_in_whole_batches(app):
    batches = []

    @app.consume("clicks", batch=2, retry=1)
    def load(messages: list[Message]) -> None:
        batches.append([message.value for message in messages])
        if "bad" in batches[-1]:
            raise ValueError

    for value in (1, 2, "bad", 4, 5):
        app.publish("clicks", value)
    assert states(drain(app)) == [State.DONE, State.DONE, State.DEAD, State.DEAD, State.DONE]
    assert batches == [[1, 2], ["bad", 4], [5]]


def test_asynchronous_consumers_are_awaited(app):
    got = []

    @app.consume("clicks")
    async def load(messages: list[Message]) -> None:
        await asyncio.sleep(0)
        got.extend(message.value for message in messages)

    app.publish("clicks", 1)
    drain(app)
    assert got == [1]


def test_only_the_queues_that_are_named_are_drained(app):
    @app.task(queue="mail")
    def mail() -> None: ...

    @app.task(queue="reports")
    def report() -> None: ...

    mail.enqueue()
    report.enqueue()
    assert [one.task for one in drain(app, "reports")] == ["report"]
    assert [one.task for one in drain(app)] == ["mail"]


def test_a_plain_task_runs_in_the_thread_that_drains_and_has_no_loop(app):
    @app.task
    def where() -> tuple[int, int]:
        return threading.get_ident(), asyncio.run(answer())

    @app.task(cpu=True)
    def cpu() -> int:
        return threading.get_ident()

    async def answer() -> int:
        return 42

    where.enqueue()
    cpu.enqueue()
    here = threading.get_ident()
    assert [one.value for one in drain(app)] == [(here, 42), here]


def test_asynchronous_tests_await_adrain_and_drain_says_so(app):
    @app.task
    async def on_loop() -> bool:
        return asyncio.get_running_loop() is loop

    @app.task
    def in_thread() -> bool:
        return threading.current_thread() is not threading.main_thread()

    async def story():
        nonlocal loop
        loop = asyncio.get_running_loop()
        await on_loop.aenqueue()
        await in_thread.aenqueue()
        with pytest.raises(ForebayError, match="await adrain"):
            drain(app)
        return [one.value for one in await adrain(app)]

    loop = None
    assert asyncio.run(story()) == [True, True]


def test_an_asynchronous_task_is_struck_by_its_timeout(app):
    @app.task(timeout=0.01, retry=1)
    async def slow() -> None:
        await asyncio.sleep(60)

    slow.enqueue()
    (ended,) = drain(app)
    assert isinstance(ended.error, TimeLimit)
    assert ended.state is State.DEAD


def test_a_cancelled_test_is_not_a_failed_task(app):
    started = asyncio.Event()

    @app.task
    async def waits() -> None:
        started.set()
        await asyncio.sleep(60)

    async def story():
        handle = await waits.aenqueue()
        draining = asyncio.create_task(adrain(app))
        await started.wait()
        draining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await draining
        assert await handle.astatus() is State.READY, "handed back, as a worker does that leaves"

    asyncio.run(story())


def test_a_task_that_wants_to_leave_python_ends_itself_only(app):
    @app.task(retry=1)
    def leave() -> None:
        raise SystemExit(3)

    @app.task(retry=1)
    async def leave_the_loop() -> None:
        raise SystemExit(3)

    leave.enqueue()
    leave_the_loop.enqueue()
    assert [(one.state, type(one.error)) for one in drain(app)] == [(State.DEAD, SystemExit)] * 2
    leave_the_loop.enqueue()
    assert states(asyncio.run(adrain(app))) == [State.DEAD]


def test_at_most_once_is_settled_before_it_runs(app):
    @app.task(at_most_once=True)
    def once() -> State:
        seen.append(handle.status())
        raise OSError

    seen = []
    handle = once.enqueue()
    (ended,) = drain(app)
    assert (seen, ended.state, type(ended.error)) == ([State.DONE], State.DONE, OSError)


def test_the_schedules_of_queues_that_are_not_drained_stand_still(app):
    @app.periodic("0 8 * * *", queue="reports")
    def daily() -> None: ...

    @app.periodic(every=2, queue="chores")
    def tick() -> None: ...

    assert len(drain(app, "reports", ahead=7 * 86_400)) == 7
    assert app.messages(queue="chores") == []
    assert len(drain(app, "chores", ahead=10)) >= 5


@pytest.mark.parametrize("end", [None, ValueError("no"), DeadLetter("no")])
def test_the_last_progress_stays_when_the_message_has_ended(app, end):
    @app.task(retry=1)
    def climb() -> None:
        Context.current().progress({"metres": 800})
        if end is not None:
            raise end

    handle = climb.enqueue()
    drain(app)
    assert handle.status() in {"done", "dead"}
    assert handle.progress() == {"metres": 800}


def test_progress_is_there_while_the_task_runs(app):
    @app.task
    def long() -> int:
        Context.current().progress(50)
        return handle.progress()

    handle = long.enqueue()
    assert [one.value for one in drain(app)] == [50]


def test_ahead_needs_a_clock_that_can_be_moved():
    with pytest.raises(ConfigError, match="only a ManualClock can be moved"):
        drain(Forebay("memory://"), ahead=60)


def test_a_real_app_is_put_into_memory_for_a_test_and_gets_everything_back(tmp_path, clock):
    app = Forebay(f"sqlite:///{tmp_path}/real.db")

    @app.task
    def greet(name: str) -> str:
        return f"hello {name}"

    @app.periodic("0 * * * *")
    def hourly() -> None: ...

    before = dict(vars(app)), dict(vars(app.producer)), dict(vars(app.rules))
    with in_memory(app, clock) as same:
        assert same is app
        greet.enqueue("Ada")
        assert [one.value for one in drain(app, ahead=3600)] == ["hello Ada", None]
    with in_memory(app, clock):
        assert drain(app) == [], "every time empty"
    assert (dict(vars(app)), dict(vars(app.producer)), dict(vars(app.rules))) == before
    assert list(tmp_path.iterdir()) == []


def test_rules_of_a_test_hold_in_the_test_and_never_in_the_real_queue(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/real.db") as app:

        @app.task
        def greet(name: str) -> str:
            return f"hello {name}"

        rules = app.rules  # as somebody holds it who imported it before the test
        with in_memory(app):
            for held in (rules, app.rules):
                held.add("drop", task=greet, where='args.name == "Ada"')
            assert rules.preview("drop", queue="default").looked == 0
            dropped, greeted = greet.enqueue("Ada"), greet.enqueue("Grace")
            drain(app)
            assert (dropped.status(), greeted.status()) == ("discarded", "done")
            assert [one.name for one in rules.list()] == ["drop-1", "drop-2"]
            assert rules.remove("drop-1")
        assert rules.list() == [], "the real queue has heard nothing of it"
        rules.add("pause", queue="default", name="real")
        with in_memory(app):
            assert rules.list() == []
        assert [one.name for one in rules.list()] == ["real"]


def test_an_app_whose_queue_spills_into_a_file_is_tested_in_memory_without_one(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/real.db", outbox=f"{tmp_path}/outbox.db")
    app.queue("events", limit=2, limit_bytes=100, limit_age=60, on_full="spill")
    app.queue("mail", limit=2)

    @app.task(queue="events")
    def note(number: int) -> int:
        return number

    for _ in range(2):
        with in_memory(app):
            note.enqueue_many([(number,) for number in range(5)])
            assert app.queues("events")[0].ready == 5, "all are taken in, as they are in production"
            assert [one.value for one in drain(app)] == [0, 1, 2, 3, 4]
            with pytest.raises(QueueFull):  # what refuses in production refuses here
                app.publish_many("mail", [1, 2, 3])
    assert list(tmp_path.iterdir()) == []


def test_drain_works_on_a_real_file_too_and_leaves_no_worker_behind(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/queue.db")

    @app.task
    def greet(name: str) -> str:
        return f"hello {name}"

    with app:
        handles = [greet.enqueue(name) for name in ("Ada", "Grace")]
        assert [one.value for one in drain(app)] == ["hello Ada", "hello Grace"]
        assert [handle.result() for handle in handles] == ["hello Ada", "hello Grace"]
        assert drive(app.store.workers()) == []
