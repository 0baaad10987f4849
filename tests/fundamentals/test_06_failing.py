"""Lesson 6: what happens to a task that fails: retries, rules by exception, snooze, dead letters and their return."""

import asyncio
import time
from enum import Enum
from typing import Literal

import msgspec
import pytest

from forebay import ConfigError, Context, DeadLetter, Forebay, Retry, Snooze, State, TaskFailed
from forebay.control import Control
from forebay.store.records import Choice
from fundamentals.lesson import beside_a_worker, until, work

QUICK = Retry(max_attempts=3, base=0.01)


class Colour(Enum):
    """As it was."""

    RED = "red"


class Colours(Enum):
    """As it is: with one more."""

    RED = "red"
    BLUE = "blue"


class Card(msgspec.Struct, tag=True):
    number: str


class Cash(msgspec.Struct, tag=True):
    cents: int


#: What an annotation is in the newer version and in the older one, and a value that only the newer one knows.
CHOICES = {
    "enum": (Colours, Colour, Colours.BLUE),
    "literal": (Literal["red", "blue"], Literal["red"], "blue"),
    "union": (Card | Cash, Card, Cash(5)),
}


def test_a_task_that_fails_is_tried_again(app):
    @app.task(retry=QUICK)
    def flaky(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return ctx.attempt

    handle = flaky.enqueue()
    work(app, handle)
    assert handle.result() == 3


def test_when_its_tries_are_used_up_it_is_a_dead_letter_with_its_story(app):
    @app.task(retry=QUICK)
    def broken() -> None:
        raise ValueError("no good")

    handle = broken.enqueue()
    work(app, handle)
    found = handle.find()
    assert (found.state, found.attempt) == (State.DEAD, 3)
    assert found.cause == "failed 3 of 3 attempts: ValueError: no good"
    assert 'raise ValueError("no good")' in found.failure.traceback


def test_five_tries_unless_told_otherwise_and_a_number_is_a_policy(app):
    assert Retry().max_attempts is None

    @app.task(retry=1)
    def once() -> None:
        raise ValueError

    handle = once.enqueue()
    work(app, handle)
    assert handle.find().cause == "failed 1 of 1 attempts: ValueError"


def test_a_task_may_say_itself_when_to_be_tried_again(app):
    times = []

    @app.task
    def ask(ctx: Context) -> int:
        times.append(time.monotonic())
        if ctx.attempt == 1:
            raise Retry(after=0.2)
        return ctx.attempt

    handle = ask.enqueue()
    work(app, handle)
    assert handle.result() == 2
    assert times[1] - times[0] >= 0.2


def test_other_exceptions_may_have_other_policies(app):
    rules = {LookupError: Retry.never(), KeyError: Retry(2, base=0.01)}  # the most derived that fits

    @app.task(retry=Retry(max_attempts=4, base=0.01, rules=rules))
    def fail(kind: str) -> None:
        raise {"key": KeyError, "index": IndexError, "value": ValueError}[kind]

    handles = [fail.enqueue(kind) for kind in ("key", "index", "value")]
    work(app, *handles)
    assert [handle.find().attempt for handle in handles] == [2, 1, 4]


def test_after_max_age_there_is_no_further_try(app):
    @app.task(retry=Retry(max_attempts=100, base=0.01, max_age=0.1))
    def fail() -> None:
        raise ValueError("still")

    handle = fail.enqueue()
    work(app, handle)
    found = handle.find()
    assert found.cause == "still failing after max_age of 0.1 s: ValueError: still"
    assert found.attempt < 100


def test_a_snooze_costs_no_attempt(app):
    naps = []

    @app.task(retry=1)
    def wait(ctx: Context) -> int | Snooze:
        naps.append(ctx.attempt)
        return Snooze(0.01) if len(naps) < 5 else ctx.attempt

    handle = wait.enqueue()
    work(app, handle)
    assert naps == [1] * 5
    assert handle.result() == 1


def test_a_snooze_may_be_raised_where_there_is_nothing_to_return(app):
    naps = []

    @app.task(retry=1)
    def wait(ctx: Context) -> int:
        naps.append(ctx.attempt)
        if len(naps) < 3:
            raise Snooze(0.01)
        return ctx.attempt

    handle = wait.enqueue()
    work(app, handle)
    assert (naps, handle.result()) == ([1] * 3, 1)


def test_what_a_task_asks_for_counts_in_a_group_of_exceptions_too(app):
    """A `TaskGroup` raises groups: a dead letter in one wins over a retry, a retry over a snooze, each over others."""
    seen = []

    @app.task(retry=1)
    async def gather(ctx: Context) -> None:
        seen.append(ctx.attempt)
        async with asyncio.TaskGroup() as together:
            together.create_task(ask(len(seen)))

    async def ask(number: int) -> None:
        raise Snooze(0.01) if number < 3 else DeadLetter("the account is closed")

    handle = gather.enqueue()
    work(app, handle)
    found = handle.find()
    assert (seen, found.state, found.cause) == ([1] * 3, State.DEAD, "the account is closed")


def test_a_group_of_exceptions_says_what_is_in_it(app):
    @app.task(retry=1)
    def fail() -> None:
        raise ExceptionGroup("two of three", [ValueError("no number"), ExceptionGroup("inner", [KeyError("id")])])

    handle = fail.enqueue()
    work(app, handle)
    assert handle.find().failure.message == "two of three (2 sub-exceptions): ValueError: no number; KeyError: 'id'"


def test_a_task_that_knows_better_dies_at_once(app):
    @app.task(retry=5)
    async def pay() -> None:
        raise DeadLetter("the account is closed")

    handle = pay.enqueue()
    work(app, handle)
    found = handle.find()
    assert (found.state, found.attempt, found.cause) == (State.DEAD, 1, "the account is closed")


def test_a_task_that_no_worker_knows_yet_waits_for_a_newer_one_and_costs_no_attempt(tmp_path):
    url = f"sqlite:///{tmp_path}/forebay.db"
    newer, older = Forebay(url), Forebay(url)
    older.queue("default")

    @newer.task(retry=1)
    def brand_new(ctx: Context) -> int:
        return ctx.attempt

    handle = brand_new.enqueue()

    async def the_older_one_sees_it() -> None:
        await until(lambda: handle.find().cause == "no worker here knows task 'brand_new'")
        assert (handle.find().state, handle.find().attempt) == (State.SCHEDULED, 0)

    beside_a_worker(older, the_older_one_sees_it)
    work(newer, handle)
    assert handle.result() == 1


def test_an_argument_that_a_worker_does_not_know_yet_waits_for_a_newer_one_and_costs_no_attempt(tmp_path):
    """Defaults travel, too: in a deploy that adds one, no new message fits the workers that are there already."""
    url = f"sqlite:///{tmp_path}/forebay.db"
    newer, older = Forebay(url), Forebay(url)

    @newer.task(name="send", retry=1)
    def send_now(ctx: Context, to: str, subject: str = "hello") -> tuple[int, str]:
        return ctx.attempt, f"{subject} {to}"

    @older.task(name="send")
    def send_before(to: str) -> str:
        return to

    handle = send_now.enqueue("Ada")

    async def the_older_one_sees_it() -> None:
        start = "no worker here knows a version that takes it: bad arguments: task send: unknown argument `subject`"
        await until(lambda: handle.find().cause.startswith(start))
        assert (handle.find().state, handle.find().attempt) == (State.SCHEDULED, 0)

    beside_a_worker(older, the_older_one_sees_it)
    work(newer, handle)
    assert handle.result() == (1, "hello Ada")


@pytest.mark.parametrize("kind", CHOICES)
def test_a_choice_that_a_worker_does_not_know_yet_waits_for_a_newer_one_and_costs_no_attempt(tmp_path, kind):
    url = f"sqlite:///{tmp_path}/forebay.db"
    newer, older = Forebay(url), Forebay(url)
    now, before, value = CHOICES[kind]

    def send(ctx: Context, what) -> int:
        return ctx.attempt

    send.__annotations__["what"] = now
    send_now = newer.task(name="send", retry=1)(send)

    def send_older(what) -> int:
        return 0

    send_older.__annotations__["what"] = before
    older.task(name="send", retry=1)(send_older)
    handle = send_now.enqueue(value)

    async def the_older_one_sees_it() -> None:
        await until(
            lambda: handle.find().cause.startswith("no worker here knows a version that takes it: bad arguments")
        )
        assert (handle.find().state, handle.find().attempt) == (State.SCHEDULED, 0)

    beside_a_worker(older, the_older_one_sees_it)
    work(newer, handle)
    assert handle.result() == 1


def test_what_no_version_takes_for_too_long_is_a_dead_letter(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db") as sender:

        @sender.task(name="send")
        def send_before(to: str, subject: str) -> None: ...

        name = send_before.enqueue("a@b.c", "hello").id
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", unknown_for=0.5) as receiver:

        @receiver.task(name="send")
        def send_now(to: str) -> None: ...

        handle = receiver.handle(name)
        work(receiver, handle)
        assert handle.find().state is State.DEAD
        assert handle.find().cause.startswith(
            "bad arguments: task send: unknown argument `subject`; it takes (to: str)"
        )


def test_a_message_of_a_task_in_a_queue_that_has_a_consumer_by_now_waits_for_a_worker_that_runs_it(tmp_path):
    """In a deploy that makes a queue one of raw messages, older programs still send tasks, which older workers run."""
    url = f"sqlite:///{tmp_path}/forebay.db"
    newer, older, got = Forebay(url), Forebay(url), list[object]()

    @newer.consume("events", batch=10)
    def load(messages) -> None:
        got.extend(message.value for message in messages)

    @older.task(queue="events", retry=1)
    def hit(ctx: Context, page: str) -> tuple[int, str]:
        return ctx.attempt, page

    handle, raw = hit.enqueue("/about"), newer.publish("events", {"page": "/"})

    async def the_newer_one_sees_it() -> None:
        start = (
            "no worker here knows a version that takes it: a message of task 'hit', and queue 'events' has a consumer"
        )
        await until(lambda: handle.find().cause.startswith(start) and raw.find().state is State.DONE)
        assert (handle.find().state, handle.find().attempt) == (State.SCHEDULED, 0)

    beside_a_worker(newer, the_newer_one_sees_it)
    assert got == [{"page": "/"}]
    work(older, handle)
    assert handle.result() == (1, "/about")


def test_one_that_nobody_knows_for_too_long_is_a_dead_letter_never_an_import(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/forebay.db") as sender:

        @sender.task(name="os.system")
        def command(line: str) -> None: ...

        name = command.enqueue("true").id
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", unknown_for=0.5) as receiver:
        receiver.queue("default")
        handle = receiver.handle(name)
        work(receiver, handle)
        assert handle.find().cause == "unknown task 'os.system': no app of this worker registers it"


def test_a_dead_letter_is_redriven_once_its_cause_is_repaired(app):
    repaired = []

    @app.task(retry=QUICK)
    def fetch(ctx: Context) -> int:
        if not repaired:
            raise ConnectionError
        return ctx.attempt

    handle = fetch.enqueue()
    work(app, handle)
    assert handle.status() is State.DEAD

    repaired.append(True)
    control = Control(app.engine, app.store, "lesson")
    assert asyncio.run(control.redrive(Choice(ids=[handle.id]))) == 1
    assert handle.status() is State.READY
    work(app, handle)
    assert handle.result() == 1  # its attempts are counted anew


def test_what_has_become_too_late_to_start_keeps_no_dead_letter_of_its_unique_key_dead(app):
    @app.task(retry=1)
    def fail() -> None:
        raise ValueError

    handle = fail.using(unique="report:7").enqueue()
    work(app, handle)
    late = fail.using(unique="report:7", expires=0.001).enqueue()
    time.sleep(0.002)
    control = Control(app.engine, app.store, "lesson")
    assert asyncio.run(control.redrive(Choice(ids=[handle.id]))) == 1
    assert (handle.status(), late.status()) == (State.READY, State.EXPIRED)


def test_a_dead_letter_that_nobody_wants_is_purged(app):
    @app.task(retry=1)
    def fail() -> None:
        raise ValueError

    handle = fail.enqueue()
    work(app, handle)
    control = Control(app.engine, app.store, "lesson")
    assert asyncio.run(control.purge(Choice(queue="default"))) == 1
    with pytest.raises(TaskFailed, match="is discarded: purged"):
        handle.result()


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (lambda: Retry(0), "max_attempts counts the first attempt too"),
        (lambda: Retry(base=-1), "base must be a finite number"),
        (lambda: Retry(after="soon"), "after 'soon' is not a duration"),
        (lambda: Retry(rules={ValueError: 3}), "rules maps exception classes to Retry policies"),
        (lambda: Snooze(-1), "Snooze must be a finite number"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy, says):
    with pytest.raises(ConfigError, match=says):
        policy()
