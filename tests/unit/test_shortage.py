"""Whom a SIGKILL is said to be of: the kernel, if it has ended somebody for want of memory just then."""

import signal
from types import SimpleNamespace

import pytest

from forebay.work import offspring
from forebay.work.link import Within
from forebay.work.offspring import Offspring


@pytest.mark.parametrize(("words", "memory"), [(0, True), (1, True), (2, False)])
def test_who_is_killed_long_after_memory_ran_out_was_killed_by_somebody_else(monkeypatch, words, memory):
    count = 3
    monkeypatch.setattr(offspring, "kills", lambda: count)
    child = Offspring("w", SimpleNamespace(pid=0, returncode=None))
    count += 1
    for _ in range(words):
        child._note(Within(hook=""))
    child.over(-signal.SIGKILL)
    assert ("memory has run out" in child.end, "memory has run out" in child.cause) == (memory, memory)
