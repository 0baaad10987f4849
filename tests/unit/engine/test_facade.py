"""The façade in front of an engine whose opening has to wait, as every engine with a server does."""

import asyncio
import threading

import pytest

from forebay import Forebay
from forebay.config import Settings
from forebay.engine.facade import Facade
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineUnreachable, OutcomeUnknown
from forebay.model.queue import QueueSpec


class Remote:
    """The memory engine, behind a server that takes a moment to answer, and may not answer at first."""

    def __init__(self, refusals=0):
        self.inner, self.opens, self.refusals = build(Settings(url="memory://"), SystemClock()), 0, refusals

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def open(self):
        self.opens += 1
        await asyncio.sleep(0.02)
        if self.opens <= self.refusals:
            raise EngineUnreachable("nobody answers yet")


class Unsure(Remote):
    """Whether it has taken the messages nobody can tell."""

    async def publish(self, messages):
        raise OutcomeUnknown("the connection broke")


def test_who_cannot_know_whether_a_publish_happened_is_told_the_ids():
    app = Forebay("memory://")
    app.engine = app.producer.engine = Facade(Unsure(), list)
    with pytest.raises(OutcomeUnknown) as caught:
        app.publish("q", 1, id="my-own")
    assert caught.value.ids == ("my-own",)


class Forgetful(Remote):
    """It cannot declare a queue the first time."""

    def __init__(self):
        super().__init__()
        self.declared = []

    async def declare(self, queues):
        self.declared.append([spec.name for spec in queues])
        if len(self.declared) == 1:
            raise EngineUnreachable("somebody holds the lock")
        return await self.inner.declare(queues)


def test_what_could_not_be_declared_is_declared_at_the_next_use_and_then_no_more():
    engine = Forgetful()
    facade = Facade(engine, lambda: [QueueSpec(name="mail", ttl=5)])
    with pytest.raises(EngineUnreachable, match="holds the lock"):
        drive(facade.open())
    assert everybody(facade) == []
    assert (engine.opens, engine.declared) == (1, [["mail"], ["mail"]])


def test_verbs_of_engine_and_store_are_counted_and_timed():
    app = Forebay("memory://")
    with app:
        handle = app.publish("q", 1)
        handle.status()
        handle.cancel()
        with pytest.raises(TypeError):
            drive(app.store.find(7))
    watch = app.engine.watch
    assert (watch.calls["publish"], watch.items["publish"]) == (1, 1)
    assert (watch.calls["find"], watch.calls["cancel"]) == (2, 1)
    assert all(watch.busy[verb] > 0 for verb in ("publish", "find", "cancel"))


def everybody(facade):
    """Five coroutines of a loop and five threads open it at the same time; what was raised in any of them."""
    errors = []

    def one():
        try:
            drive(facade.open())
        except EngineUnreachable as error:
            errors.append(error)

    async def loop():
        errors.extend(filter(None, await asyncio.gather(*(facade.open() for _ in range(5)), return_exceptions=True)))

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    asyncio.run(loop())
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return errors


def test_it_is_opened_once_for_all_who_ask_in_loops_and_in_threads():
    remote = Remote()
    assert everybody(Facade(remote, list)) == []
    assert remote.opens == 1


def test_whoever_asks_after_a_failure_opens_it_again():
    remote = Remote(refusals=1)
    facade = Facade(remote, list)
    with pytest.raises(EngineUnreachable, match="nobody answers yet"):
        drive(facade.open())
    assert everybody(facade) == []
    assert remote.opens == 2
