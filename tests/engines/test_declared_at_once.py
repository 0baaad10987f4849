"""Several processes of a new version start at once and declare the same: each change is told once."""

import threading

import pytest

from engines.servers import postgres, redis
from forebay import Forebay
from forebay.engine.declaring import changes
from forebay.engine.waiting import drive
from forebay.model.queue import QueueSpec

GOLD = (("gold", 3.0),)
NAMES = [f"q{number}" for number in range(8)]
BEFORE = [QueueSpec(name=name, limit=20, on_full="reject", rate=5.0) for name in NAMES]
AFTER = [QueueSpec(name=name, limit=30, on_full="reject", concurrency=4, fair=True, weights=GOLD) for name in NAMES]


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def where(request, tmp_path):
    """URL and namespace."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/queue.db", {}
    elif request.param == "postgresql":
        settings = postgres.empty()
        yield settings.url, {"namespace": settings.namespace}
    else:
        with redis.empty() as settings:
            yield settings.url, {"namespace": settings.namespace}


def test_of_several_that_declare_at_once_one_tells_each_change(where):
    url, options = where
    apps = [Forebay(url, **options) for _ in range(4)]
    for app in apps:
        drive(app.engine.open())
    try:
        for specs in (BEFORE, AFTER):
            told = at_once(apps, specs)
            changed = [(one.now.name, each) for declared in told for one in declared for each in split(one)]
            assert sorted(changed) == sorted({*changed})  # each change is told by one of them
            assert {name for name, _ in changed} == set(NAMES)
    finally:
        for app in apps:
            drive(app.close())


def split(one):
    """Each option that has changed; limits and rates may be written down by two of them."""
    return [each for each in changes(one).split(", ") if each]


def at_once(apps, specs):
    """What each of them is told."""
    told, start = [], threading.Barrier(len(apps))

    def declare(app):
        start.wait()
        told.append(drive(app.engine.declare(specs)))

    threads = [threading.Thread(target=declare, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
