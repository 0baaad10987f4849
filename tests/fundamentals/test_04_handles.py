"""Lesson 4: a handle is what is left of an enqueue: ask for state, result and progress, or cancel."""

import asyncio
import threading

import pytest

from forebay import Context, NoSuchMessage, ResultTimeout, State, TaskFailed
from fundamentals.lesson import SOON, beside_a_worker, until, work


def test_a_result_that_is_not_there_in_time_is_a_timeout_and_the_task_goes_on(app):
    @app.task
    def think() -> int:
        return 42

    handle = think.enqueue()
    with pytest.raises(ResultTimeout, match=r"is still ready after 0\.01 s; the message is unaffected"):
        handle.result(timeout=0.01)
    with pytest.raises(TimeoutError):  # the standard one is its base
        handle.result(timeout=0)
    work(app, handle)
    assert handle.result() == 42


def test_the_failure_of_a_task_reaches_who_asks_for_its_result(app):
    @app.task(retry=1)
    def divide(left: int, right: int) -> float:
        return left / right

    handle = divide.enqueue(1, 0)
    work(app, handle)
    with pytest.raises(
        TaskFailed, match="is dead: failed 1 of 1 attempts: ZeroDivisionError: division by zero"
    ) as caught:
        handle.result()
    assert caught.value.state == State.DEAD
    assert caught.value.failure.type == "ZeroDivisionError"
    assert "return left / right" in caught.value.failure.traceback


def test_a_handle_can_be_made_again_from_its_id(app):
    @app.task
    def think() -> int:
        return 42

    handle = think.enqueue()
    name = handle.id
    assert app.handle(name) == handle
    assert len({app.handle(name), handle, think.enqueue()}) == 2
    work(app, app.handle(name))
    assert app.handle(name).result() == 42
    with pytest.raises(NoSuchMessage, match="no message 0123"):
        app.handle("0123").status()


def test_a_handle_knows_all_that_is_known(app):
    @app.task(queue="mail")
    def send(to: str) -> None: ...

    found = send.using(priority=3, key="tenant-7").enqueue("ada").find()
    assert (found.queue, found.task, found.state) == ("mail", "send", State.READY)
    assert (found.priority, found.key, found.attempt) == (3, "tenant-7", 0)
    assert found.created is not None


def test_results_are_remembered_for_a_while_only(app):
    @app.task(result_ttl=0)
    def forget() -> int:
        return 1

    @app.task(result_ttl=3600)
    def remember() -> int:
        return 2

    async def story() -> int:
        gone, kept = await forget.aenqueue(), await remember.aenqueue()
        result = await kept.aresult(timeout=SOON)
        while True:
            try:
                await gone.astatus()
            except NoSuchMessage:
                return result
            await asyncio.sleep(0.01)

    assert beside_a_worker(app, story) == 2


def test_progress_is_seen_while_it_runs(app):
    go_on = threading.Event()

    @app.task
    def climb(ctx: Context) -> str:
        ctx.progress({"metres": 800})
        go_on.wait(SOON)
        return "at the top"

    async def story():
        handle = await climb.aenqueue()
        while (seen := await handle.aprogress()) is None:  # noqa: ASYNC110 - as somebody would who shows a bar
            await asyncio.sleep(0.005)
        go_on.set()
        return seen, await handle.aresult(timeout=SOON)

    assert beside_a_worker(app, story) == ({"metres": 800}, "at the top")


def test_what_waits_is_cancelled_at_once(app):
    ran = []

    @app.task
    def send() -> None:
        ran.append(1)

    handle, other = send.enqueue(), send.enqueue()
    assert handle.cancel() is State.CANCELLED
    work(app, other)
    assert ran == [1]
    with pytest.raises(TaskFailed, match="is cancelled"):
        handle.result()


def test_a_running_asynchronous_task_is_cancelled_where_it_waits(app):
    seen = []

    @app.task
    async def sleep() -> None:
        seen.append("started")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    async def story():
        handle = await sleep.aenqueue()
        await until(lambda: seen == ["started"])
        assert await handle.acancel() is State.RUNNING  # asked; it ends when it notices
        with pytest.raises(TaskFailed, match="is cancelled: cancelled by request"):
            await handle.aresult(timeout=SOON)

    beside_a_worker(app, story)
    assert seen == ["started", "cleaned up"]


def test_a_running_synchronous_task_is_cancelled_between_two_of_its_steps(app):
    steps = []
    never = threading.Event()

    @app.task
    def count() -> None:
        while True:
            steps.append(1)
            never.wait(0.001)

    async def story():
        handle = await count.aenqueue()
        await until(lambda: bool(steps))
        await handle.acancel()
        with pytest.raises(TaskFailed, match="is cancelled"):
            await handle.aresult(timeout=SOON)

    beside_a_worker(app, story)


def test_cancelling_what_has_ended_changes_nothing(app):
    @app.task
    def think() -> int:
        return 42

    handle = think.enqueue()
    work(app, handle)
    assert handle.cancel() is State.DONE
    assert handle.result() == 42
