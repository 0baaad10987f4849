"""Lesson 8: what a task knows of itself while it runs, and how its own messages remember where they come from."""

import asyncio
import logging
from typing import Any

import pytest

from forebay import Context, ForebayError, Message
from forebay.produce.context import ORIGIN, ORIGIN_TASK, PARENT, ROOT
from fundamentals.lesson import SOON, work


def test_a_parameter_of_type_context_is_filled_by_the_worker(app):
    @app.task
    def first(ctx: Context, number: int) -> list[Any]:
        return [ctx.id, ctx.task, ctx.queue, ctx.attempt, number]

    @app.task
    async def last(number: int, *, context: Context) -> list[Any]:
        return [context.id, context.task, context.queue, context.attempt, number]

    handles = first.enqueue(7), last.enqueue(8)
    work(app, *handles)
    assert handles[0].result() == [handles[0].id, first.name, "default", 1, 7]
    assert handles[1].result() == [handles[1].id, last.name, "default", 1, 8]


def test_deep_inside_the_current_context_can_be_asked_for(app):
    def helper() -> str:
        return Context.current().id

    @app.task
    def in_a_thread() -> str:
        return helper()

    @app.task
    async def on_the_loop() -> str:
        await asyncio.sleep(0)
        return helper()

    handles = in_a_thread.enqueue(), on_the_loop.enqueue()
    work(app, *handles)
    assert [handle.result() for handle in handles] == [handle.id for handle in handles]


def test_outside_of_a_task_there_is_no_context():
    with pytest.raises(ForebayError, match="no task runs here"):
        Context.current()


def test_in_a_consumer_it_is_that_of_the_first_message_of_the_batch(app):
    seen = []

    @app.consume("clicks", batch=2, max_wait=5)
    def load(messages: list[Message]) -> None:
        context = Context.current()
        with pytest.raises(ForebayError, match="no progress"):
            context.progress(1)
        seen.append((context.id, context.root, context.parent, context.origin, messages[0].id))

    handles = app.publish_many("clicks", [1, 2])
    work(app, *handles)
    first = handles[0].id
    assert seen == [(first, first, None, None, first)]


def test_messages_made_inside_a_task_remember_their_family(app):
    @app.task(queue="leaves")
    def leaf(ctx: Context) -> dict[str, str]:
        return dict(ctx.headers)

    @app.task(queue="branches")
    def branch() -> str:
        return leaf.enqueue().id

    @app.task(queue="roots")
    async def root(ctx: Context) -> str:
        return (await ctx.aenqueue(branch)).id

    top = root.enqueue()
    work(app, top)
    middle = app.handle(top.result())
    work(app, middle)
    bottom = app.handle(middle.result())
    work(app, bottom)
    assert bottom.result() == {ROOT: top.id, PARENT: middle.id, ORIGIN: "branches", ORIGIN_TASK: "branch"}


def test_a_task_may_wait_for_another_one(app):
    @app.task
    async def part(number: int) -> int:
        return number * number

    @app.task
    async def whole() -> int:
        handles = await part.aenqueue_many([(number,) for number in range(4)])
        return sum([await handle.aresult(timeout=SOON) for handle in handles])

    handle = whole.enqueue()
    work(app, handle)
    assert handle.result() == 0 + 1 + 4 + 9


def test_its_log_lines_say_which_message_they_are_about(app, caplog):
    @app.task
    def speak(ctx: Context) -> None:
        ctx.log.warning("half way")

    handle = speak.enqueue()
    with caplog.at_level(logging.WARNING, "forebay.task"):
        work(app, handle)
    (record,) = [record for record in caplog.records if record.getMessage() == "half way"]
    assert (record.message_id, record.task, record.attempt) == (handle.id, "speak", 1)


def test_its_log_lines_carry_what_is_said_with_them_too(app, caplog):
    @app.task(queue="mail")
    def speak(ctx: Context) -> None:
        ctx.log.warning("half way", extra={"order": 7})
        ctx.log.warning("no more", extra=None)

    handle = speak.enqueue()
    with caplog.at_level(logging.WARNING, "forebay.task"):
        work(app, handle)
    record, _ = (record for record in caplog.records if record.name == "forebay.task")
    assert (record.order, record.message_id, record.queue) == (7, handle.id, "mail")


def test_progress_outside_of_a_worker_goes_nowhere_and_hurts_nobody(app):
    @app.task
    def climb(ctx: Context | None = None) -> str:
        return "top"

    assert climb() == "top"
