"""Signal handlers that are put off while the main thread does an engine's work."""

import os
import signal

import pytest

from forebay.engine import quiet
from forebay.engine.quiet import Quiet


class First(Exception):
    pass


class Second(Exception):
    pass


def _raising(error):
    def handler(number, frame):
        raise error

    return handler


@pytest.fixture
def handlers():
    """Two handlers that raise, and what stood there before."""
    numbers = {signal.SIGUSR1: _raising(First), signal.SIGUSR2: _raising(Second)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_is_handled_when_the_moment_is_over(handlers):
    steps = []
    with pytest.raises(First), Quiet():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGUSR1)
        steps.append(quiet.quiet())
    assert steps == [True]
    assert not quiet.quiet()


def test_every_handler_is_back_afterwards_whatever_they_raise(handlers):
    interrupt = signal.getsignal(signal.SIGINT)
    with pytest.raises((First, Second)), Quiet():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert signal.getsignal(signal.SIGINT) is interrupt


def test_a_handler_that_raises_at_any_step_leaves_all_handlers_in_force(handlers):
    """A timer that strikes inside of it, at no particular step, a hundred times."""
    struck = []

    def strike(number, frame):
        if frame.f_code.co_filename == quiet.__file__:
            struck.append(number)
            raise First

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        while len(struck) < 100:
            try:
                with Quiet():
                    pass
            except First:
                assert signal.getsignal(signal.SIGALRM) is strike
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for number, error in ((signal.SIGUSR1, First), (signal.SIGUSR2, Second)):
        with pytest.raises(error):
            os.kill(os.getpid(), number)
