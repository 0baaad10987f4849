"""Lesson 14: overload: nobody works for an answer that nobody waits for any more."""

import time

import pytest

from forebay import Context, Forebay, QueueFull, State
from forebay.testing import drain


@pytest.fixture
def app():
    return Forebay("memory://")


def test_what_a_task_enqueues_may_end_with_the_message_that_it_works_for(app):
    left = []

    @app.task(expires="parent")
    def child() -> None: ...

    @app.task
    def other() -> None: ...

    @app.task
    def parent(context: Context) -> list[str]:
        left.append(context.expires_in)
        own = (
            child.enqueue(),
            other.using(expires="parent").enqueue(),
            child.using(expires=5).enqueue(),
            other.enqueue(),
        )
        return [handle.id for handle in own]

    handle = parent.using(expires=60).enqueue()
    drain(app, limit=10)
    ends = [app.handle(id_).find().expires for id_ in handle.result()]
    assert 59 < left[0] <= 60
    assert ends[0] == pytest.approx(handle.find().expires, abs=1)
    assert ends[1] == pytest.approx(handle.find().expires, abs=1)
    assert ends[2] == pytest.approx(time.time() + 5, abs=2)
    assert ends[3] is None


def test_without_a_parent_that_expires_it_is_as_if_it_was_left_out(app):
    @app.task(expires="parent")
    def child() -> None: ...

    @app.task
    def parent(context: Context) -> tuple[str, float | None]:
        return child.enqueue().id, context.expires_in

    first, second = child.enqueue(), parent.enqueue()
    drain(app)
    made, left = second.result()
    assert (first.find().expires, app.handle(made).find().expires, left) == (None, None, None)


def test_a_child_that_comes_too_late_is_not_run(app):
    ran = []

    @app.task(expires="parent")
    def child() -> None:
        ran.append("child")

    @app.task
    def parent(context: Context) -> str:
        while context.expires_in > 0:
            time.sleep(0.01)
        return child.enqueue().id

    handle = parent.using(expires=1.5).enqueue()
    drain(app)
    assert app.handle(handle.result()).status() == State.EXPIRED
    assert ran == []


def test_the_newest_may_run_first(app):
    ran = []
    app.queue("feed", lifo=True)

    @app.task(queue="feed")
    def show(page: int) -> None:
        ran.append(page)

    handles = show.enqueue_many([(1,), (2,), (3,)])
    show.using(priority=1).enqueue(4)
    assert [handle.position() for handle in handles] == [3, 2, 1]
    drain(app)
    assert ran == [4, 3, 2, 1]


def test_a_part_of_a_limit_may_be_kept_for_what_matters_more(app):
    app.queue("mail", limit=10, reserve=0.2)

    @app.task(queue="mail")
    def send(to: str) -> None: ...

    send.enqueue_many([("ada",)] * 8)
    with pytest.raises(QueueFull, match="8 messages wait, and limit=10 keeps 2 places for a priority above 0"):
        send.enqueue("bob")
    assert send.using(priority=1).enqueue("cyd").status() is State.READY
