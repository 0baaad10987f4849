"""What a failed task held is free when its end has been told, without the garbage collector: memory, files and all."""

import asyncio
import gc
import logging
import traceback
import weakref
from dataclasses import dataclass
from typing import ClassVar

import pytest

from fleet import until
from forebay import Forebay, Message, Retry
from forebay.config import WorkerOptions
from forebay.work.dev import working
from forebay.work.frames import clear


class Held:
    """What a task holds while it fails."""

    living: ClassVar = weakref.WeakSet()

    def __init__(self):
        self.living.add(self)


@dataclass(unsafe_hash=True)
class Order:
    """An argument."""

    living: ClassVar = weakref.WeakSet()
    number: int

    def __post_init__(self):
        self.living.add(self)


def raises():
    held = Held()
    raise ValueError(held is None)


def raises_from():
    held = Held()
    try:
        raises()
    except ValueError as error:
        raise RuntimeError(held is None) from error


def raises_what_it_kept():
    held, kept = Held(), None
    try:
        raises()
    except ValueError as error:
        kept = error
    assert held
    raise kept


def raises_a_group():
    held, kept = Held(), []
    try:
        raises_what_it_kept()
    except ValueError as error:
        kept.append(error)
    assert held
    raise ExceptionGroup("all of them", kept)


def raises_a_retry():
    held = Held()
    raise Retry(after=0) from RuntimeError(held is None)


async def awaits():
    held = Held()
    await asyncio.sleep(0)
    raises_from()
    assert held


WAYS = [raises, raises_from, raises_what_it_kept, raises_a_group, raises_a_retry, awaits]


@pytest.fixture
def no_collector():
    logging.disable()  # what captures log records for a test keeps what they are about
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    logging.disable(logging.NOTSET)


async def gone(app, what):
    """Wait until three are dead, and nothing that tasks held lives, on a loop that goes on."""
    await asyncio.to_thread(until, lambda: [queue.dead for queue in app.queues()] == [3], "three to be dead")
    await asyncio.to_thread(until, lambda: not Held.living, f"all to be gone that {what} held")


@pytest.mark.parametrize("hooks", [[], ["plain"], ["async"]], ids=str)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_a_failed_task_held_is_free_when_its_end_is_told(way, hooks, no_collector):
    app, told = Forebay("memory://"), []
    task = app.task(retry=Retry(max_attempts=2, base=0, cap=0))(way)
    if hooks == ["plain"]:
        app.on_failure(lambda _context, error, _outcome: told.append(str(error)))
    elif hooks:

        @app.on_failure
        async def failed(_context, error, _outcome):
            told.append(str(error))

    async def scene():
        async with app, working(app, WorkerOptions(concurrency=3)):
            for _ in range(3):
                await task.aenqueue()
            await gone(app, way.__name__)

    asyncio.run(asyncio.wait_for(scene(), 120))
    assert len(told) == (6 if hooks else 0)


def test_what_a_failed_batch_held_is_free_as_well(no_collector):
    app = Forebay("memory://")

    @app.consume("raw", batch=2, retry=1)
    def consumer(_messages: list[Message]) -> None:
        raises_from()

    async def scene():
        async with app, working(app):
            await app.apublish_many("raw", [b"a", b"b", b"c"])
            await gone(app, "a consumer")

    asyncio.run(asyncio.wait_for(scene(), 120))


def test_arguments_are_not_kept_by_the_thread_that_had_them(no_collector):
    app = Forebay("memory://")

    @app.task
    def fine(order: Order) -> None:
        assert order in Order.living

    async def scene():
        async with app, working(app):
            await (await fine.aenqueue(Order(1))).aresult(timeout=60)
            await asyncio.to_thread(until, lambda: not Order.living, "the argument to be gone")

    asyncio.run(asyncio.wait_for(scene(), 120))


def test_a_generator_that_has_not_ended_is_not_closed():
    def pump():
        try:
            raise ValueError
        except ValueError as error:
            yield error
        yield "goes on"

    pumping = pump()
    error = next(pumping)
    clear(error)
    assert next(pumping) == "goes on"


def test_a_traceback_that_somebody_keeps_still_says_where_it_was():
    with pytest.raises(RuntimeError) as raised:
        raises_from()
    clear(raised.value)
    told = "".join(traceback.format_exception(raised.value))
    assert "in raises_from" in told
    assert "in raises\n" in told


def test_causes_in_a_circle_are_each_looked_at_once():
    with pytest.raises(RuntimeError) as raised:
        raises_from()
    one = raised.value
    assert one.__cause__ is not None
    one.__cause__.__cause__ = one
    clear(one)
    told = "".join(traceback.format_exception(one))
    assert "in raises\n" in told
