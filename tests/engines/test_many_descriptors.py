"""A process with more descriptors open than `select` can take, as a web server may have, hears and tells as others."""

import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engines.servers.places import place
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message

#: What `select.select` can take at the most is below this.
OPEN = 1_024
#: Seconds after which somebody would look all the same.
POLL = 60.0


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def settings(request, tmp_path):
    with place(request.param, tmp_path) as (url, namespace):
        yield Settings(url=url, poll=POLL, **{"namespace": namespace} if namespace else {})


@pytest.fixture
def crowded():
    """From now on each new descriptor has a number beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4 * OPEN if hard == resource.RLIM_INFINITY else min(4 * OPEN, hard)
    if most <= 2 * OPEN:
        pytest.skip("this system lets no process open that many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(OPEN)]
    yield
    for fd in held:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_has_many_descriptors_open_hears_others_and_is_heard(crowded, settings):
    backends = [build(settings, SystemClock()) for _ in range(2)]
    for backend in backends:
        drive(backend.open())
    try:
        with ThreadPoolExecutor(1) as pool:
            for one, other in (backends, reversed(backends)):
                drive(one.wait(["q"], 0.01, 0))  # begins to listen
                drive(one.extend([Beat(worker=(worker := new_id()), lease=60)]))
                news = drive(one.lease(Want(worker, ["q"], 10))).news
                waiting = pool.submit(drive, one.wait(["q"], POLL, news))
                time.sleep(0.2)
                drive(other.publish([Message(id=new_id(), queue="q")]))
                waiting.result(timeout=POLL / 2)
    finally:
        for backend in backends:
            drive(backend.close())
