"""An app in memory for the time of a test, whatever engine its settings name. Same semantics, nothing left behind."""

from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from forebay.app import Forebay
from forebay.engine.capabilities import require
from forebay.engine.facade import Facade
from forebay.engine.measured import watched_store
from forebay.engine.registry import backend
from forebay.engine.waiting import drive
from forebay.model.clock import Clock
from forebay.produce.needs import needs_of


@contextmanager
def in_memory(app: Forebay, clock: Clock | None = None) -> Generator[Forebay]:
    """The same app, with its tasks and keys, on an empty memory engine until the block ends.

    Args:
        clock: what tells the time meanwhile, such as a `ManualClock`; the app's own if None.
    """
    before = app.settings, app.clock, app.backend, app.engine, app.store
    app.clock = clock or app.clock
    app.settings = msgspec.structs.replace(app.settings, url="memory://", store=None, namespace="")
    app.backend = backend(app.settings, app.clock)
    has = app.backend.engine.capabilities
    app.engine = Facade(
        app.backend.engine,
        app.registry.queues.values,
        lambda: require("memory", has, needs_of(app.registry)),
    )
    app.store = watched_store(app.backend, app.engine.watch)
    _tell(app)
    try:
        drive(app.store.put_schedules(app.registry.rows(app.clock.now())))
        yield app
    finally:
        drive(app.engine.close())
        app.settings, app.clock, app.backend, app.engine, app.store = before
        _tell(app)


def _tell(app: Forebay) -> None:
    app.producer.engine, app.producer.store, app.producer.settings = app.engine, app.store, app.settings
    app.rules.engine, app.rules.store = app.engine, app.store
