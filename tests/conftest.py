"""What holds for every test: the processes it starts can be told to end by any signal, and its settings end with it.

A shell that runs the tests in the background has them ignore SIGINT, `nohup` SIGHUP, and what they start would inherit
that.
"""

import gc
import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

import starts

# Seconds that an example takes say how busy the machine is.
settings.register_profile("busy", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Tests are found to stay, thousands in each process of pytest: nobody need look for garbage among them.

    By the threshold, for a module of tests may import what ends with `gc.enable()`, as our commands do.
    """
    often = gc.get_threshold()
    gc.set_threshold(0)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*often)


_broken = []  # what pytest itself stumbled over, here or in one of its workers, first things first


def pytest_internalerror(excrepr):
    _broken.append(str(excrepr))


def pytest_unconfigure(config):
    """The first is what matters, and stands far above what follows from it: tell it once more where everybody looks."""
    if _broken and not hasattr(config, "workerinput"):
        sys.stderr.write(f"pytest broke off, and this came first:\n{_broken[0][-3000:]}\n")


@pytest.fixture(autouse=True)
def _settings_as_before():
    """A command that is called in this process leaves its `--url` in the environment."""
    before = _own()
    yield
    for name in _own().keys() - before.keys():
        del os.environb[name]
    os.environb.update(before)


def _own():
    """Our part of the environment; as bytes, which need no decoding: asked twice for each of thousands of tests."""
    return {name: value for name, value in os.environb.items() if name.startswith(b"FOREBAY_")}


@pytest.fixture
def pythons_forked():
    """For tests that start many Pythons by `subprocess`, and do not care how."""
    with starts.pythons_forked():
        yield
