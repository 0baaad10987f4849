"""Opening and closing leaves nothing behind: no thread, no descriptor, whatever was done in between."""

import threading
import time
from pathlib import Path

import pytest

from engines.servers.places import place
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.store.records import Query

#: What is forgotten once is forgotten each time; on a server each opening takes some round trips. Fewer than half as
#: many more than before may be somebody else's, of the tests that this process has run before.
TIMES, ON_A_SERVER = 50, 10


@pytest.fixture(params=["memory", "sqlite", "redis", "postgresql"])
def settings(request, tmp_path):
    with place(request.param, tmp_path) as (url, namespace):
        yield Settings(url=url, **{"namespace": namespace} if namespace else {})


def use(backend):
    """A message from one end to the other, and each kind of waiting for it."""
    drive(backend.publish([Message(id=(id_ := new_id()), queue="q")]))
    drive(backend.extend([Beat(worker="w", lease=60)]))
    (delivery,) = drive(backend.lease(Want("w", ["q"], 1))).deliveries
    drive(backend.wait(["q"], 0.001, 0))
    drive(backend.watch([id_], 0.001, 0))
    drive(backend.settle("w", [Settlement(delivery, Ack())]))
    drive(backend.messages(Query()))


def kept():
    """Threads of this process, and descriptors."""
    return {"threads": threading.active_count(), "descriptors": len(list(Path("/dev/fd").iterdir()))}


def grown(before, by):
    """What there is more of than before, by more than `by`."""
    return {what: n for what, n in kept().items() if n > before[what] + by}


def test_an_engine_that_is_opened_and_closed_leaves_no_thread_and_no_descriptor(settings):
    clock = SystemClock()

    def once():
        backend = build(settings, clock)
        drive(backend.open())
        try:
            use(backend)
        finally:
            drive(backend.close())

    once()  # what a library keeps for good is there from now on
    before = kept()
    times = TIMES if settings.url.startswith(("memory", "sqlite")) else ON_A_SERVER
    for _ in range(times):
        once()
    deadline = time.monotonic() + 60
    while (more := grown(before, times // 2)) and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread that was told to end does so a moment later
    assert not more, f"{before} before"
