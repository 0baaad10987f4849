"""Raising in a thread from outside: it arrives, in the user's code alone, and never in what comes after."""

import subprocess
import sys
import threading
import time

import pytest

from forebay import Forebay
from forebay.engine.shield import Mark, check, shield
from forebay.engine.waiting import drive


class Strike(BaseException):
    pass


class Struck:
    """A thread of ours that calls a function again and again as the user's code, and what it saw."""

    def __init__(self, function):
        self._function = function
        self.arrived = self.elsewhere = 0
        self.mark, self._ready, self._ended = None, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait(60)

    def _serve(self):
        self.mark = mark = Mark()
        mark.serve(self)
        self._ready.set()
        while not self._ended.is_set():
            try:
                mark.expose(self._function)
            except Strike:
                self.arrived += 1
            for _ in range(50):  # what would be hit if a strike came after its time
                self.elsewhere += 0

    def strike(self, whom=None):
        self.mark.strike(whom or self, Strike)

    def end(self, *, again=False):
        self._ended.set()
        while again and self._thread.is_alive():
            self.strike()
            time.sleep(0.001)
        self._thread.join(60)
        assert not self._thread.is_alive()


def busy():
    for _ in range(200):
        pass


def test_a_strike_arrives_once_and_nowhere_but_in_the_users_code():
    struck = Struck(busy)
    for number in range(100):
        struck.strike()
        time.sleep(0.0005)
        assert struck.arrived <= number + 1
    struck.end()  # the thread is alive: nothing was raised outside of the user's code
    assert struck.arrived > 0


def test_a_strike_for_somebody_else_does_not_arrive():
    struck = Struck(busy)
    for _ in range(100):
        struck.strike(whom=object())
        time.sleep(0.0002)
    struck.end()
    assert struck.arrived == 0


def test_what_is_shielded_is_done_as_a_whole_and_struck_at_its_end():
    begun, done, after = [], [], []

    def careful():
        with shield():
            begun.append(1)
            for _ in range(100):
                pass
            done.append(1)
        after.append(1)

    struck = Struck(careful)
    for _ in range(100):
        struck.strike()
        time.sleep(0.0002)
    struck.end()
    assert struck.arrived > 0
    assert len(begun) == len(done)
    assert len(after) < len(done)


def test_a_wait_within_a_shield_can_be_struck_where_it_says_so():
    waiting, struck_at = threading.Event(), []

    def wait():
        with shield():
            waiting.set()
            ends = time.monotonic() + 60
            try:
                while time.monotonic() < ends:
                    time.sleep(0.001)
                    check()
            except Strike:
                struck_at.append(time.monotonic())
                raise

    struck = Struck(wait)
    waiting.wait(60)
    struck.strike()
    ends = time.monotonic() + 60
    while not struck_at and time.monotonic() < ends:
        time.sleep(0.001)
    struck.end(again=True)  # it may wait again
    assert struck_at
    assert struck.arrived >= 1


def test_a_shield_costs_nothing_and_does_nothing_in_threads_that_run_no_tasks():
    with shield():
        check()


def test_a_signal_handler_raises_in_the_users_code_and_waits_for_the_end_of_ours():
    seen = []

    def serve():
        mark = Mark()
        mark.serve("me")

        def users():
            with shield():
                mark.strike_here(Strike)
                seen.append("still here")
            seen.append("not here")

        with pytest.raises(Strike):
            mark.expose(users)
        with pytest.raises(Strike):
            mark.expose(mark.strike_here, Strike)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(60)
    assert seen == ["still here"]


STRUCK_TOO_LATE_THEN_TRACED = """
import ctypes, sys, threading
from forebay import Forebay
from forebay.engine.shield import Mark

waiting = threading.Event()
elsewhere = threading.Thread(target=waiting.wait, daemon=True)
elsewhere.start()
mark = Mark()
mark.serve("a task")
mark._thread = ctypes.c_ulong(elsewhere.ident)  # where the strike goes, and does not arrive as long as it waits
mark.expose(mark.strike, "a task", KeyboardInterrupt)
sys.settrace(lambda *_: None)
elsewhere.is_alive()
"""


def test_after_a_strike_that_came_too_late_a_debugger_or_a_measure_of_coverage_still_works():
    """On Python 3.11 the process would hang at the first call that is traced."""
    subprocess.run([sys.executable, "-c", STRUCK_TOO_LATE_THEN_TRACED], check=True, timeout=60)


def test_an_app_that_is_collected_in_a_tasks_thread_is_closed_without_it():
    """A strike that came meanwhile would be raised at the end of that, in a finalizer, where nobody hears of it."""
    app, closing = Forebay("memory://"), threading.Event()
    app.publish("q", 1)
    close = app.engine._inner.close

    async def slowly():
        closing.wait(60)
        await close()

    app.engine._inner.close = slowly
    struck = Struck(app.engine.drop)
    struck.end()  # though it is not closed yet
    closing.set()
    drive(app.close())
