"""Lesson 1: a task is a function; enqueued, it waits in a file until a worker runs it, and its result comes back."""

import asyncio

import pytest

from forebay import Forebay, NoSuchMessage, State
from fundamentals.lesson import SOON, beside_a_worker, work


def test_a_task_called_plainly_is_the_function_it_was(app):
    @app.task
    def greet(name: str) -> str:
        """Say hello."""
        return f"Hello {name}"

    assert greet("Ada") == "Hello Ada"
    assert greet.name == "greet"
    assert greet.__doc__ == "Say hello."


def test_enqueued_it_waits_until_a_worker_runs_it(app):
    @app.task
    def greet(name: str) -> str:
        return f"Hello {name}"

    handle = greet.enqueue("Ada")
    assert handle.status() is State.READY

    work(app, handle)
    assert handle.status() is State.DONE
    assert handle.result() == "Hello Ada"


def test_an_asynchronous_task_is_enqueued_the_same_way(app):
    @app.task
    async def greet(name: str) -> str:
        await asyncio.sleep(0)
        return f"Hello {name}"

    assert asyncio.run(greet("Ada")) == "Hello Ada"
    handle = greet.enqueue("Ada")
    work(app, handle)
    assert handle.result() == "Hello Ada"


def test_asynchronous_code_enqueues_and_waits_without_blocking_its_loop(app):
    @app.task
    def double(number: int) -> int:
        return 2 * number

    async def story() -> list[int]:
        handles = await asyncio.gather(*(double.aenqueue(number) for number in range(20)))
        return await asyncio.gather(*(handle.aresult(timeout=SOON) for handle in handles))

    assert beside_a_worker(app, story) == list(range(0, 40, 2))


def test_synchronous_code_may_enqueue_inside_a_running_loop(app):
    """Old code deep inside an async program calls `enqueue`; it needs no second loop and no thread."""

    @app.task
    def double(number: int) -> int:
        return 2 * number

    def old_code():
        return double.enqueue(21)

    async def story() -> int:
        handle = old_code()
        assert handle.status() in State
        return await handle.aresult(timeout=SOON)

    assert beside_a_worker(app, story) == 42


def test_many_calls_go_in_one_transaction(app):
    @app.task
    def add(left: int, right: int = 10) -> int:
        return left + right

    handles = add.enqueue_many([(1, 2), (3,), (4, {"right": 5})])
    work(app, *handles)
    assert [handle.result() for handle in handles] == [3, 13, 9]


def test_a_message_outlives_the_program_that_sent_it(tmp_path):
    def program() -> Forebay:
        app = Forebay(f"sqlite:///{tmp_path}/forebay.db")

        @app.task
        def double(number: int) -> int:
            return 2 * number

        return app

    with program() as sender:
        name = sender.registry.tasks["double"].enqueue(4).id
    with program() as receiver:
        handle = receiver.handle(name)
        work(receiver, handle)
        assert handle.result() == 8


def test_in_memory_everything_is_the_same_but_ends_with_the_program():
    app = Forebay("memory://")

    @app.task
    def double(number: int) -> int:
        return 2 * number

    handle = double.enqueue(4)
    work(app, handle)
    assert handle.result() == 8
    with pytest.raises(NoSuchMessage, match="never accepted here"):
        Forebay("memory://").handle(handle.id).status()
