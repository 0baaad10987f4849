"""Lesson 9: mistakes are told early, once, and with what to do about them."""

import time
from datetime import datetime
from typing import Any

import pytest

from forebay import BadArguments, ConfigError, EngineFull, EngineUnreachable, Forebay
from forebay.model.clock import SystemClock


def test_an_engine_that_is_not_known(app):
    with pytest.raises(ConfigError, match=r"no engine for URL scheme 'carrier-pigeon': known are .*sqlite"):
        Forebay("carrier-pigeon://roof")


def test_a_setting_that_is_not_known():
    with pytest.raises(ConfigError, match=r"Forebay\(...\): unknown setting 'lesae'; known are url, .*lease"):
        Forebay("memory://", lesae=3)


@pytest.mark.parametrize("clock", ["now", 0, time.time, datetime, SystemClock])
def test_a_clock_that_is_none(clock):
    with pytest.raises(ConfigError, match=r"clock= is an object with now\(\) and monotonic\(\)"):
        Forebay("memory://", clock=clock)


def test_a_file_that_cannot_be_opened(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path}/no/such/folder/forebay.db")

    @app.task
    def think() -> None: ...

    with pytest.raises(EngineUnreachable, match="folder"):
        think.enqueue()


def test_an_option_that_is_not_known(app):
    with pytest.raises(ConfigError, match="unknown option retries: known are name, queue, retry"):

        @app.task(retries=3)
        def task() -> None: ...


def test_an_annotation_that_nobody_can_resolve(app):
    with pytest.raises(ConfigError, match=r"task task: its annotations cannot be resolved here: .*Nowhere"):

        @app.task
        def task(value: "Nowhere") -> None: ...  # noqa: F821 - this is the mistake


def test_two_tasks_of_one_name(app):
    @app.task(name="send")
    def one() -> None: ...

    with pytest.raises(ConfigError, match=r"two tasks are named 'send' \(.*one and .*two\): give one another name"):

        @app.task(name="send")
        def two() -> None: ...


def test_a_queue_declared_twice_and_differently(app):
    app.queue("mail", ttl=60)
    app.queue("mail", ttl=60)
    with pytest.raises(ConfigError, match="queue 'mail' is declared twice, differently"):
        app.queue("mail", ttl=61)


def test_a_queue_may_be_declared_after_a_task_has_used_it(app):
    @app.task(queue="mail")
    def send() -> None: ...

    app.queue("mail", ttl=60)
    assert app.registry.queues["mail"].ttl == 60


@pytest.mark.parametrize("calls", [["abc"], [{"text": "abc"}], [5]])
def test_many_calls_that_are_no_tuples(app, calls):
    @app.task
    def send(text: Any) -> None: ...

    with pytest.raises(BadArguments, match="each call is a tuple of arguments"):
        send.enqueue_many(calls)


def test_a_dictionary_as_the_last_argument_is_not_taken_for_keywords(app):
    @app.task
    def store(name: str, payload: dict[str, int]) -> None: ...

    handles = store.enqueue_many(
        [("a", {"x": 1}), ("b", {}), ("c", {"payload": {"x": 2}}), ({"name": "d", "payload": {}},)]
    )
    bodies = [store.codec.decode(handle.find().body)[0] for handle in handles]
    assert bodies == [("a", {"x": 1}), ("b", {}), ("c", {"x": 2}), ("d", {})]


def test_an_engine_that_is_full():
    app = Forebay("memory://", max_size=1000)
    app.publish("logs", "x" * 500)
    with pytest.raises(EngineFull, match="no room for 1 of 1 messages: the engine is full"):
        app.publish("logs", "x" * 600)
