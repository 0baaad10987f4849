"""A slot is given back whatever fails: a worker of one slot runs the next message after any of these."""

import asyncio
import contextlib
import inspect
import logging
import subprocess
import threading
import time

import pytest

from forebay import Context, EngineError, Forebay, Retry
from forebay.config import WorkerOptions
from forebay.testing import Fault, fail
from forebay.work.dev import working


@pytest.fixture
def app(tmp_path):
    return Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal")


def beside_one_slot(app, story, **options):
    """Run a story beside a worker of one slot, and then a good message in that slot."""

    @app.task
    async def next_one():
        return "ran"

    async def run():
        async with app, working(app, WorkerOptions(concurrency=1, drain=5, **options)) as worker:
            await story()
            result = await (await next_one.aenqueue()).aresult(timeout=60)
            await soon(lambda: worker.running == 0)
            return result

    assert asyncio.run(run()) == "ran"


async def soon(condition, deadline=60):
    """Wait for something that another part of the process is about to do; `condition` may be asynchronous."""
    async with asyncio.timeout(deadline):
        while True:
            value = condition()
            if await value if inspect.isawaitable(value) else value:
                return
            await asyncio.sleep(0.01)


def in_state(handle, state, lost=0):
    async def ask():
        found = await handle.afind()
        return (found.state, found.lost) == (state, lost)

    return ask


def test_the_settle_before_an_at_most_once_task_fails(app):
    ran = []

    @app.task(at_most_once=True)
    async def once():
        ran.append(1)

    async def story():
        handle = await once.aenqueue()
        await soon(lambda: ran)
        await handle.aresult(timeout=60)

    with Fault(app, "before settle", fail(EngineError("no room"))) as fault:
        beside_one_slot(app, story)
    assert (ran, fault.struck) == ([1], 1)


def test_an_at_most_once_task_whose_settle_is_not_sure_does_not_run_and_is_told(app, caplog):
    ran = []

    @app.task(at_most_once=True)
    async def once():
        ran.append(1)

    async def story():
        handle = await once.aenqueue()
        await soon(lambda: "was settled and has not run" in caplog.text)
        assert await handle.astatus() == "done"

    with Fault(app, "after settle", fail(EngineError("the answer was lost"))):
        beside_one_slot(app, story)
    assert ran == []


def test_no_thread_can_be_started(app, monkeypatch):
    start, refused = threading.Thread.start, []

    def refuse(thread):
        if thread.name.startswith("forebay-task") and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    @app.task
    def plain(context: Context):
        return context.attempt

    async def story():
        handle = await plain.aenqueue()
        assert await handle.aresult(timeout=60) == 1

    monkeypatch.setattr(threading.Thread, "start", refuse)
    beside_one_slot(app, story)
    assert refused


def test_no_process_can_be_started(app, monkeypatch):
    refused = []

    def refuse(*command, **_):
        refused.append(command)
        raise BlockingIOError(11, "Resource temporarily unavailable")

    @app.task(cpu=True)
    def apart():
        """Found by its name in this module."""

    async def story():
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", refuse)
            handle = await apart.aenqueue()
            await soon(lambda: refused)
            await soon(in_state(handle, "scheduled"))
            assert (await handle.afind()).attempt == 0

    beside_one_slot(app, story, cpu=1)


def test_a_policy_that_breaks_when_it_is_asked(app):
    class Broken(Retry):
        def for_error(self, error):
            raise MemoryError("no room to decide")

    @app.task(retry=Broken())
    async def failing():
        raise ValueError("boom")

    async def story():
        handle = await failing.aenqueue()
        await soon(
            in_state(handle, "dead", lost=3)
        )  # the third alone: that it cannot be loaded there is judged as well

    beside_one_slot(app, story)


def test_a_hook_for_failures_that_fails_itself(app, caplog):
    told = []

    @app.on_failure
    def tell(context, error, outcome):
        told.append((context.attempt, str(error), type(outcome).__name__))
        raise ValueError("the hook is broken too")

    @app.on_failure
    async def tell_as_well(context, error, outcome):
        told.append("as well")

    @app.task(retry=1)
    def failing():
        raise ValueError("boom")

    async def story():
        await failing.aenqueue()
        await soon(lambda: len(told) == 2)

    beside_one_slot(app, story)
    assert told == [(1, "boom", "DeadLetter"), "as well"]
    assert "the hook is broken too" in caplog.text


def test_a_task_that_is_cancelled_before_asyncio_begins_it(app):
    @app.task
    async def never():
        raise AssertionError("it has run")

    async def story():
        with contextlib.suppress(Exception):
            handles = await never.aenqueue_many([()] * 50)
            for handle in handles:
                await handle.acancel()

    beside_one_slot(app, story)


def test_the_log_cannot_be_written(app):
    class Broken(logging.Handler):
        def handle(self, record):
            raise OSError(28, "No space left on device")

    @app.task(retry=1)
    async def failing():
        raise ValueError("boom")

    async def story():
        handle = await failing.aenqueue()
        await soon(in_state(handle, "dead"))

    logger, handler = logging.getLogger("forebay.worker"), Broken()
    logger.addHandler(handler)
    try:
        beside_one_slot(app, story)
    finally:
        logger.removeHandler(handler)


def test_a_drain_ends_within_its_patience_when_nothing_is_settled_any_more(app):
    @app.task
    async def one():
        return 1

    async def run():
        async with app:
            async with working(app, WorkerOptions(drain=0.5)):
                await one.aenqueue()
                await soon(lambda: fault.struck)
                began = time.monotonic()
            return time.monotonic() - began

    with Fault(app, "before settle", fail(EngineError("broken")), times=10**9) as fault:
        took = asyncio.run(run())
    assert took < 30, "it would go on for ever"
