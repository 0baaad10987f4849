"""A supervisor opens its engine, which may wait long for a lock or a server: it hears signals all the while."""

import asyncio
import logging
import threading
from types import SimpleNamespace

import pytest

from forebay.config import Settings, WorkerOptions
from forebay.engine.contract import Beat
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineUnreachable, OutcomeUnknown
from forebay.work import opening, supervisor
from forebay.work.link import Hello


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


@pytest.mark.parametrize("error", [EngineUnreachable, OutcomeUnknown])
def test_a_server_that_goes_away_amid_the_opening_is_waited_for(monkeypatch, error):
    """It may or may not have heard what was asked: to open twice changes nothing."""
    left = [error("it is starting up"), error("it is starting up")]

    class Restarting:
        async def open(self):
            if left:
                raise left.pop()

    async def rest(_seconds):
        return False

    monkeypatch.setattr(opening, "build", lambda *_: Restarting())
    assert isinstance(asyncio.run(opening.opened(Settings(), SystemClock(), rest)), Restarting)
    assert left == []


def test_a_supervisor_says_its_first_line_once_whoever_opens_the_engine(monkeypatch, caplog):
    """The first child's opening comes to nothing, for it is time to stop; the next child is welcomed as well."""

    async def stopped(*_):
        return None

    monkeypatch.setattr(supervisor, "opened", stopped)
    hello = Hello(settings=Settings(url="memory://"), beat=Beat(worker="w", lease=15.0, queues=["mail"]), limits={})

    async def story():
        one = supervisor.Supervisor(WorkerOptions(app="shop:app"))
        for number in (1, 2):
            await one._welcome(SimpleNamespace(id=f"w{number}", pid=number), hello)

    with caplog.at_level(logging.INFO):
        asyncio.run(story())
    assert len([line for line in caplog.messages if line.startswith("app shop:app at memory://")]) == 1
    assert len([line for line in caplog.messages if "runs as process" in line]) == 2
