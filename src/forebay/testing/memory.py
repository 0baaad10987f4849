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
from forebay.model.queue import QueueSpec
from forebay.produce.needs import needs_of


@contextmanager
def in_memory(app: Forebay, clock: Clock | None = None) -> Generator[Forebay]:
    """The same app, with its tasks and keys, on an empty memory engine until the block ends.

    A queue with `on_full="spill"` has no limit meanwhile: all that comes is taken in, as ever, and no file is written.

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
        lambda: [_roomy(spec) for spec in app.registry.queues.values()],
        lambda: require("memory", has, (need for need in needs_of(app.registry) if need.capability != "durable")),
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


def _roomy(spec: QueueSpec) -> QueueSpec:
    """A queue that spills takes in all that comes, sooner or later; here at once, and without a file."""
    if spec.on_full != "spill":
        return spec
    return msgspec.structs.replace(spec, limit=None, limit_bytes=None, limit_age=None, on_full="reject")


def _tell(app: Forebay) -> None:
    app.producer.engine, app.producer.store, app.producer.settings = app.engine, app.store, app.settings
    app.rules.engine, app.rules.store = app.engine, app.store
