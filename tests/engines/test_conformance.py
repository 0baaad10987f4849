"""The public suite, run on every engine of this house. Another engine is another line in `URLS`."""

import shutil
from contextlib import closing, contextmanager

import apsw
import pytest

from engines.servers import postgres, redis
from forebay.config import Settings
from forebay.engine.postgres import Postgres
from forebay.engine.registry import build
from forebay.engine.sqlite import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.testing.conformance import *  # noqa: F403 - the suite is what this module consists of

URLS = {"memory": "memory://", "sqlite": "sqlite:///{folder}/queue.db", "redis": "", "postgresql": ""}


@pytest.fixture(scope="session")
def made_before(tmp_path_factory):
    """A file with all tables and nothing in them: to make these takes longer than most tests."""
    folder = tmp_path_factory.mktemp("made")
    backend = Sqlite(Settings(url=f"sqlite:///{folder}/queue.db"), SystemClock(), among=Files())
    drive(backend.open())
    drive(backend.close())
    return folder / "queue.db"


@pytest.fixture(params=URLS)
def make_backend(request):
    if request.param == "redis":
        with redis.empty() as settings:
            yield lambda clock=None: build(settings, clock or SystemClock())
        return
    if request.param == "postgresql":
        with postgres.emptied() as settings:
            yield lambda clock=None: build(settings, clock or SystemClock())
        return
    else:
        folder = request.getfixturevalue("tmp_path") if request.param == "sqlite" else None  # a folder takes a while
        settings = Settings(url=URLS[request.param].format(folder=folder))
        if folder:
            shutil.copy(request.getfixturevalue("made_before"), folder / "queue.db")
    if request.param == "sqlite":  # each as in a process of its own; those of one process share what is open
        yield lambda clock=None: Sqlite(settings, clock or SystemClock(), among=Files())
    else:
        yield lambda clock=None: build(settings, clock or SystemClock())


@pytest.fixture
def forget_worker():
    def forget(backend, worker):
        if isinstance(backend, Sqlite):
            with closing(apsw.Connection(str(backend._db.path))) as db:
                db.execute("delete from worker where id = ?", (worker,))
        elif hasattr(backend, "_memory"):
            del backend._memory.workers[worker]
        elif isinstance(backend, Postgres):
            postgres.run("delete from forebay.worker where id = %s", (worker,))
        else:
            redis.forget_worker(backend, worker)

    return forget


@pytest.fixture
def begin():
    @contextmanager
    def transaction(backend):
        if isinstance(backend, Postgres):
            with postgres.connect() as db:
                yield db
        elif isinstance(backend, Sqlite):
            with closing(apsw.Connection(str(backend._db.path))) as db, db:
                yield db
        else:
            yield None  # its tests skip before they ask for more

    return transaction
