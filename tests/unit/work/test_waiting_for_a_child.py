"""Whoever waits for a message that cannot start while it waits is told so: tasks, and consumers of raw messages."""

import asyncio
import contextlib
import threading
from functools import partial

import pytest

from forebay import Forebay, ResultTimeout
from forebay.config import WorkerOptions
from forebay.produce import handle
from forebay.work.dev import working


def tasks(app, ended):
    """Tasks that wait for another of their queue, where one runs at a time."""

    @app.task
    async def child() -> None: ...

    @app.task(queue="async-task", retry=1)
    async def parent() -> None:
        with contextlib.suppress(ResultTimeout):
            await (await child.using(queue="async-task").aenqueue()).aresult(0.6)
        ended.set()

    @app.task(queue="task", retry=1)
    def plain() -> None:
        with contextlib.suppress(ResultTimeout):
            child.using(queue="task").enqueue().result(0.6)
        ended.set()

    return {"async-task": parent.aenqueue, "task": plain.aenqueue}


def consumers(app, ended):
    """Consumers that wait for another message of their queue."""

    @app.consume("async-consumer", retry=1)
    async def load(messages):
        with contextlib.suppress(ResultTimeout):
            if not ended.is_set():
                await (await app.apublish("async-consumer", 2)).aresult(0.6)
        ended.set()

    @app.consume("consumer", retry=1)
    def load_plain(messages):
        with contextlib.suppress(ResultTimeout):
            if not ended.is_set():
                app.publish("consumer", 2).result(0.6)
        ended.set()

    return {name: partial(app.apublish, name, 1) for name in ("async-consumer", "consumer")}


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("async-task", "a task that waits holds its slot"),
        ("task", "a task that waits holds its slot"),
        ("async-consumer", "a consumer that waits is handed no other message of its queue"),
        ("consumer", "a consumer that waits is handed no other message of its queue"),
    ],
)
def test_who_waits_for_what_cannot_start_meanwhile_is_told_once(tmp_path, monkeypatch, caplog, who, why):
    monkeypatch.setattr(handle, "LONG", 0.05)
    monkeypatch.setattr(handle, "LOOK", 0.1)
    app, ended = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), threading.Event()
    begin = {**tasks(app, ended), **consumers(app, ended)}[who]

    async def story():
        async with app, working(app, WorkerOptions(concurrency=1, queues=[who])):
            await begin()
            assert await asyncio.to_thread(ended.wait, 30)

    asyncio.run(story())
    said = [record.getMessage() for record in caplog.records if "waits in result()" in record.getMessage()]
    assert len(said) == 1
    assert why in said[0]
    assert f"serve queue {who} by workers of its own" in said[0]
