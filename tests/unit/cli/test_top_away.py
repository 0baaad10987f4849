"""`forebay top` while its engine is away: it says so once, and goes on when that is back."""

import asyncio
from types import SimpleNamespace

import pytest

from forebay import Forebay
from forebay.cli.top import Show, _watch
from forebay.model.errors import EngineUnreachable


class Flaky:
    """An engine that cannot be reached at some of the looks."""

    def __init__(self, engine, away):
        self._engine, self._away, self.looks = engine, away, 0

    def __getattr__(self, name):
        return getattr(self._engine, name)

    async def depth(self, *args):
        self.looks += 1
        if self.looks in self._away:
            raise EngineUnreachable("it does not answer")
        return await self._engine.depth(*args)


def watch(monkeypatch, away):
    monkeypatch.setattr("forebay.cli.top.form", lambda: "ndjson")
    said, seen = [], []

    async def story():
        async with Forebay("memory://") as app:
            there = SimpleNamespace(engine=Flaky(app.engine, away), store=app.store)
            await _watch(there, 0.001, 4, Show(lambda *both: seen.append(both), said.append))

    asyncio.run(story())
    return said, len(seen)


def test_it_says_so_once_and_goes_on(monkeypatch):
    assert watch(monkeypatch, {2, 3, 4, 6}) == (["it does not answer"] * 2, 4)


def test_one_that_is_away_from_the_beginning_is_an_error(monkeypatch):
    with pytest.raises(EngineUnreachable):
        watch(monkeypatch, {1})
