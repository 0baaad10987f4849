"""Lesson 7: time limits while a task runs, tasks that run at most once, and tasks that run by the clock."""

import asyncio
import threading
import time

import pytest

from forebay import BadArguments, ConfigError, Context, Forebay, State, TaskFailed, TimeLimit
from forebay.flow.cron import following
from forebay.testing import ManualClock
from fundamentals.lesson import SOON, beside_a_worker, until, work


def test_a_task_that_takes_too_long_is_stopped(app):
    @app.task(timeout=0.05, retry=1)
    async def sleep() -> None:
        await asyncio.sleep(3600)

    handle = sleep.enqueue()
    work(app, handle)
    with pytest.raises(TaskFailed, match=r"ran longer than its timeout of 0\.05 s"):
        handle.result()


def test_a_synchronous_task_may_catch_its_time_limit_and_clean_up(app):
    never = threading.Event()

    @app.task(timeout=0.05)
    def work_slowly() -> str:
        try:
            while True:
                never.wait(0.001)
        except TimeLimit:
            return "half done"

    handle = work_slowly.enqueue()
    work(app, handle)
    assert handle.result() == "half done"


def test_a_handler_of_any_exception_does_not_swallow_the_time_limit(app):
    never, ended = threading.Event(), []

    @app.task(timeout=0.05, retry=1)
    def carry_on() -> None:
        while not ended:
            try:
                never.wait(0.001)
            except Exception:  # noqa: BLE001 - as tasks are written
                ended.append("swallowed")

    handle = carry_on.enqueue()
    work(app, handle)
    with pytest.raises(TaskFailed, match=r"ran longer than its timeout of 0\.05 s"):
        handle.result()
    assert ended == []


def test_a_task_sees_how_long_it_still_has(app):
    @app.task(timeout=3600)
    def limited(ctx: Context) -> float | None:
        return ctx.deadline

    @app.task
    def unlimited(ctx: Context) -> float | None:
        return ctx.deadline

    handles = limited.enqueue(), unlimited.enqueue()
    work(app, *handles)
    assert 3000 < handles[0].result() <= 3600
    assert handles[1].result() is None


def test_usually_a_task_is_settled_after_it_ran_at_most_once_before(app):
    states = []

    @app.task
    def usual(ctx: Context) -> None:
        states.append(app.handle(ctx.id).status())

    @app.task(at_most_once=True)
    def careful(ctx: Context) -> None:
        states.append(app.handle(ctx.id).status())
        raise ValueError("and no second try")

    usual_handle, careful_handle = usual.enqueue(), careful.enqueue()

    async def story():
        await usual_handle.aresult(timeout=SOON)
        await until(lambda: len(states) == 2)

    beside_a_worker(app, story, concurrency=1)
    assert states == [State.RUNNING, State.DONE]
    assert careful_handle.find().attempt == 1


def test_a_periodic_task_runs_at_each_tick(tmp_path):
    minute = 60 * (1_800_000_000 // 60)
    clock = ManualClock(wall=minute + 59.5)
    ran = []
    with Forebay(f"sqlite:///{tmp_path}/forebay.db", clock=clock) as app:

        @app.periodic("* * * * *")
        async def tidy(ctx: Context) -> None:
            ran.append(ctx.headers["forebay-schedule"])

        async def story():
            assert [schedule.next for schedule in await app.store.schedules()] == [minute + 60]
            clock.wall += 1  # the minute is full
            await until(lambda: len(ran) == 1)
            assert [schedule.next for schedule in await app.store.schedules()] == [minute + 120]

        beside_a_worker(app, story)
    assert ran == ["tidy"]


def test_a_periodic_task_can_be_enqueued_like_any_other(app):
    @app.periodic("0 3 * * *", tz="Europe/Vienna", missed="skip")
    def tidy(deep: bool = False) -> bool:
        return deep

    assert tidy() is False
    handle = tidy.enqueue(deep=True)
    work(app, handle)
    assert handle.result() is True


def test_ticks_are_times_of_day_where_the_schedule_lives():
    noon = time.mktime((2026, 3, 28, 12, 0, 0, 0, 0, 0)) - time.mktime((1970, 1, 1, 0, 0, 0, 0, 0, 0))
    utc, vienna = following("0 3 * * *", "UTC", noon), following("0 3 * * *", "Europe/Vienna", noon)
    assert utc - vienna == 2 * 3600  # the clocks went forward that night


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cron": "every minute"}, "cron expression 'every minute' is not usable"),
        ({"cron": "0 0 30 2 *"}, "is not usable"),
        ({"cron": "* * * * *", "tz": "Europe/Atlantis"}, "time zone 'Europe/Atlantis' is not known here"),
        ({"cron": "* * * * *", "missed": "never"}, "missed='never' is not known: use one of skip, once, all"),
    ],
)
def test_a_schedule_that_cannot_work_is_refused_when_it_is_declared(app, options, says):
    with pytest.raises(ConfigError, match=says):

        @app.periodic(**options)
        def tidy() -> None: ...


def test_a_periodic_task_needs_no_arguments(app):
    with pytest.raises(BadArguments, match=r"tidy: .*number"):

        @app.periodic("* * * * *")
        def tidy(number: int) -> None: ...
