"""Queues and their store in one SQLite file, for any number of processes of one host."""

from forebay.config import Settings
from forebay.engine.sqlite.backend import Sqlite
from forebay.model.clock import Clock

__all__ = ["Sqlite", "build"]


def build(settings: Settings, clock: Clock) -> Sqlite:
    """The engine for a `sqlite:///path` URL, not yet opened."""
    return Sqlite(settings, clock)
