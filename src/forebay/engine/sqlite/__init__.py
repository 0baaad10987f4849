"""Queues and their store in one SQLite file, for any number of processes of one host."""

from forebay.config import Settings
from forebay.engine.backend import Backend, of_one
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.checks import FileChecks
from forebay.model.clock import Clock

__all__ = ["Sqlite", "backend", "build"]


def backend(settings: Settings, clock: Clock) -> Backend:
    """The parts for a `sqlite:///path` URL, not yet opened."""
    made = build(settings, clock)
    return of_one(made, FileChecks(settings), made.transacts, made.moves)


def build(settings: Settings, clock: Clock) -> Sqlite:
    """The engine for such a URL, not yet opened, which is its own store."""
    return Sqlite(settings, clock)
