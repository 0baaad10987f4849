"""Calls in greenlets: each waits as its own, though one thread runs them all, and whenever the greenlets came."""

import pytest

from forebay.engine import own
from forebay.engine.strand import Strands
from forebay.engine.waiting import blocking, drive

greenlet = pytest.importorskip("greenlet", reason="comes with sqlalchemy[asyncio]").greenlet


def taking_turns(*calls):
    """Each call goes on, in turn, whenever another one begins to wait, as under gevent."""
    here = greenlet.getcurrent()
    strands = [greenlet(call, here) for call in calls]
    while any(not strand.dead for strand in strands):
        for strand in strands:
            if not strand.dead:
                strand.switch()


def wait():
    greenlet.getcurrent().parent.switch()


def test_a_call_blocks_its_own_greenlet_whoever_ends_first():
    seen = []

    async def verb(waits):
        for _ in range(waits):
            wait()
            seen.append(blocking())

    taking_turns(lambda: drive(verb(1)), lambda: drive(verb(3)), lambda: drive(verb(2)))
    assert seen == [True] * 6
    assert not blocking()


def test_while_a_greenlet_is_driven_and_waits_the_loop_beside_it_is_not():
    async def verb():
        wait()

    strand = greenlet(lambda: drive(verb()))
    strand.switch()
    assert not blocking()
    strand.switch()
    assert strand.dead


def test_a_thread_of_ours_that_is_a_greenlet_makes_no_other_one_ours():
    seen = {}

    def ours():
        own.enter()
        wait()
        seen["ours"] = own.inside()

    def theirs():
        wait()
        seen["theirs"] = own.inside()

    taking_turns(ours, theirs)
    assert seen == {"ours": True, "theirs": False}
    assert not own.inside()


def test_what_a_greenlet_has_said_goes_with_it():
    here = Strands()

    def say():
        here().word = 1

    greenlet(say).switch()
    assert not hasattr(here(), "word")
    assert len(here._greenlets) == 0
