"""A worker that finds out how many tasks it runs at a time: fewer while they time out, all of them again after that."""

import asyncio
import logging
import time
from types import SimpleNamespace

import pytest

from forebay import ConfigError, Forebay
from forebay.config import WorkerOptions
from forebay.work import adapting
from forebay.work.dev import working

MOST = 8


class Service:
    """What tasks call: how many at a time, lately; and whether it is sick."""

    def __init__(self):
        self.now = self.most = 0
        self.sick = False

    async def call(self):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.005)
            if self.sick:
                raise TimeoutError("no answer")
        finally:
            self.now -= 1


async def busy_until(condition, task, deadline=90):
    """Have something to do all the while, until it is so."""
    async with asyncio.timeout(deadline):
        while not condition():
            await task.aenqueue_many([()] * 50)
            await asyncio.sleep(0.05)


def played(options, story):
    """A worker with a task that calls a service."""
    app, service = Forebay("memory://"), Service()

    @app.task(retry=1)
    async def call():
        await service.call()

    async def run():
        async with app, working(app, options) as worker:
            await story(service, call, lambda: worker.report().beat.concurrency)

    asyncio.run(run())


def test_it_runs_fewer_while_they_time_out_and_comes_back(monkeypatch, caplog):
    monkeypatch.setattr(adapting, "STEP", 0.05)
    caplog.set_level(logging.INFO, "forebay.worker")

    async def story(service, call, slots):
        await busy_until(lambda: service.most == MOST, call)
        service.sick = True
        await busy_until(lambda: slots() == 1, call)
        await busy_until(lambda: service.now <= 1, call)
        service.most = 0
        await busy_until(lambda: service.most, call)
        assert service.most == 1
        service.sick = False
        await busy_until(lambda: slots() == MOST and service.most == MOST, call)

    played(WorkerOptions(concurrency=MOST, adaptive=True), story)
    told = [record.message for record in caplog.records if "at a time" in record.message]
    assert "fewer than 8 at a time" in told[0]
    assert told[1] == "up to 8 tasks at a time again"


@pytest.mark.parametrize("failing", [0.001, 1.0, 30.0])
def test_what_fails_at_once_is_not_what_is_usual(monkeypatch, failing):
    """After an outage in which calls failed at once, an answer in the usual time is no overload; slow failures are."""
    monkeypatch.setattr(adapting, "STEP", 0.001)

    def end(took, error=None):
        task = SimpleNamespace(name="call")
        adapts.ended(SimpleNamespace(task=task, stop=None, error=error, started=time.monotonic() - took))

    async def phase(took, error=None):
        resized[:] = [adapts.slots]
        for _ in range(50):
            for _ in range(20):
                end(took, error)
            await asyncio.sleep(0.002)
        return min(resized)

    async def story():
        running = asyncio.create_task(adapts.run())
        found = [await phase(1.0), await phase(failing, ValueError("away")), await phase(1.0)]
        running.cancel()
        return found

    resized = []  # each time, for a step may be taken back before anybody looks
    feed = SimpleNamespace(elastic=True, running=0, resize=resized.append)
    adapts = adapting.Adapting(WorkerOptions(concurrency=MOST, adaptive=True), [feed], SimpleNamespace())
    usual, away, after = asyncio.run(story())
    assert usual == MOST
    assert (away < MOST) is (failing > 1.0)
    assert failing > 1.0 or after == MOST


def test_nobody_else_is_lowered(monkeypatch):
    monkeypatch.setattr(adapting, "STEP", 0.01)

    async def story(service, call, slots):
        service.sick = True
        await busy_until(lambda: service.most == MOST, call)
        await asyncio.sleep(0.2)
        assert slots() == MOST

    played(WorkerOptions(concurrency=MOST), story)


def test_it_is_true_or_false():
    with pytest.raises(ConfigError, match="adaptive='yes' is not usable: it is True or False"):
        WorkerOptions(adaptive="yes")
