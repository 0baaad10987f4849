"""The rounds of a governor: what it looks at again and again, and what a look that fails is worth."""

import asyncio
import logging
from itertools import pairwise

import pytest

from forebay.model.errors import EngineClosed
from forebay.work.rounds import Rounds

LONG = 60.0


def go(look, soonest=0.001):
    """Until the engine is closed; `look` gets what wakes it."""

    async def story():
        rounds = Rounds(logging.getLogger("tests.rounds"), "the look", soonest=soonest, again=0.001)
        await asyncio.wait_for(rounds.go(lambda: look(rounds.wake)), LONG)

    with pytest.raises(EngineClosed):
        asyncio.run(story())


def test_it_looks_again_when_the_look_says():
    pauses = iter([0.001, 0.002])

    async def look(wake):
        try:
            return next(pauses)
        except StopIteration:
            raise EngineClosed("over") from None

    go(look)


def test_what_is_urgent_ends_a_rest():
    looked = 0

    async def look(wake):
        nonlocal looked
        looked += 1
        if looked == 2:
            raise EngineClosed("over")
        asyncio.get_running_loop().call_later(0.01, wake.set)
        return 10 * LONG

    go(look)


def test_a_look_that_fails_is_told_once_and_tried_again_and_so_is_its_end(caplog):
    caplog.set_level(logging.INFO)
    fates = iter([OSError("no route"), OSError("no route"), None, EngineClosed("over")])

    async def look(wake):
        if fate := next(fates):
            raise fate
        return 0.001

    go(look)
    assert [record.getMessage() for record in caplog.records] == [
        "the look: OSError: no route",
        "the look: works again",
    ]


def test_what_is_urgent_does_not_make_it_look_without_a_rest():
    looked = []

    async def look(wake):
        looked.append(asyncio.get_running_loop().time())
        wake.set()
        if len(looked) == 3:
            raise EngineClosed("over")
        return 10 * LONG

    go(look, soonest=0.05)
    assert min(after - before for before, after in pairwise(looked)) > 0.049
