"""The event loop that a worker's tasks run on: uvloop's unless asked for Python's own, and an app imported on it."""

import asyncio

from forebay.app import Forebay
from forebay.config import WorkerOptions
from forebay.locate import BrokenApp, locate
from forebay.model.errors import ConfigError


def new_loop(options: WorkerOptions) -> asyncio.AbstractEventLoop:
    """A loop of the kind that was asked for.

    Raises:
        ConfigError: uvloop was, and is not installed.
    """
    if options.loop == "asyncio":
        return asyncio.new_event_loop()
    try:
        import uvloop
    except ImportError as error:
        if options.loop == "uvloop":
            text = f"--loop uvloop: uvloop cannot be used here ({error}): install it, or leave the option out"
            raise ConfigError(text) from error
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def located(options: WorkerOptions) -> Forebay:
    """The app, imported; some libraries change the current loop where they are imported, and can change Python's only.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        return locate(options.app)
    except BrokenApp as error:
        if options.loop == "asyncio" or "uvloop.Loop" not in str(error):
            raise
        raise BrokenApp(f"{error}; --loop asyncio runs it on Python's own event loop") from error
