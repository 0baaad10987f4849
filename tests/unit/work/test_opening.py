"""A supervisor opens its engine, which may wait long for a lock or a server: it hears signals all the while."""

import asyncio
import threading

from forebay.config import Settings
from forebay.model.clock import SystemClock
from forebay.work import opening


def test_the_loop_goes_on_while_the_engine_opens(monkeypatch):
    heard = threading.Event()

    class Slow:
        async def open(self):
            assert heard.wait(60), "the loop stood still"

    monkeypatch.setattr(opening, "build", lambda *_: Slow())

    async def story():
        asyncio.get_running_loop().call_later(0.01, heard.set)
        return await opening.opened(Settings(), SystemClock(), None)

    assert isinstance(asyncio.run(story()), Slow)
