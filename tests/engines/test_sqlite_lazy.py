"""A lease that nothing follows is synced soon, not at once; all that is told for good is synced before it is told."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.sqlite.writer import SOON
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.testing import ManualClock
from forebay.testing.powerloss.disk import Disk
from forebay.testing.powerloss.vfs import Watched

PATIENCE = 60
NEVER = 1e6


class Workshop:
    """An engine that is used by a thread of its own, as a worker's is; counts the syncs of its log."""

    def __init__(self, path, **options):
        self.syncs, self.clock, self._path = 0, ManualClock(), path
        self._thread = ThreadPoolExecutor(1)
        self._vfs = Watched(f"lazy-{id(self)}", Disk(), lambda: None, self._synced)
        settings = Settings(url=f"sqlite:///{path}", **options)
        self.engine = Sqlite(settings, self.clock, f"lazy-{id(self)}", "boot", Files(soon=NEVER))

    def _synced(self, path):
        self.syncs += path.endswith("-wal")

    def ask(self, verb, *args):
        """The answer, and how often the log was synced for it."""
        before = self.syncs
        return self._thread.submit(lambda: drive(verb(*args))).result(PATIENCE), self.syncs - before

    def owes(self):
        return self.engine._db.writer._due is not None

    def close(self):
        self.ask(self.engine.close)
        self._thread.shutdown()
        self._vfs.unregister()


@pytest.fixture
def shop(tmp_path):
    one = Workshop(tmp_path / "q.db")
    one.ask(one.engine.open)
    one.ask(one.engine.extend, [Beat(worker="w", lease=1e6)])
    one.ask(one.engine.publish, [Message(id="a", queue="q"), Message(id="b", queue="q", ttl=5.0)])
    yield one
    one.close()


def lease(shop, limit=1):
    leased, syncs = shop.ask(shop.engine.lease, Want("w", ["q"], limit))
    return leased.deliveries, syncs


def test_what_is_accepted_and_what_ends_is_synced_when_it_is_told(shop):
    assert shop.ask(shop.engine.publish, [Message(id="c", queue="q")])[1] == 1
    (delivery,), _ = lease(shop)
    assert shop.ask(shop.engine.settle, "w", [Settlement(delivery, Ack())]) == ([True], 1)
    assert not shop.owes(), "and with it the lease that came before"


def test_a_lease_and_a_beat_are_owed_until_something_is_synced(shop):
    assert shop.ask(shop.engine.extend, [Beat(worker="w", lease=2e6)])[1] == 0
    assert lease(shop)[1] == 0
    assert shop.owes()
    shop.ask(shop.engine.settle, "w", [])
    assert shop.owes(), "what changes nothing syncs nothing"
    shop.ask(shop.engine.publish, [Message(id="c", queue="q")])
    assert not shop.owes()


def test_a_lease_that_finds_a_message_expired_is_synced_before_it_is_told(shop):
    shop.clock.advance(10)
    deliveries, syncs = lease(shop, 10)
    assert ([one.id for one in deliveries], syncs) == (["a"], 1)
    assert not shop.owes()


def test_what_is_owed_is_paid_when_the_engine_is_closed(tmp_path):
    shop = Workshop(tmp_path / "q.db")
    shop.ask(shop.engine.open)
    shop.ask(shop.engine.extend, [Beat(worker="w", lease=1e6)])
    assert shop.owes()
    before = shop.syncs
    shop.close()
    assert shop.syncs > before


def test_without_durability_nothing_is_owed(tmp_path):
    shop = Workshop(tmp_path / "q.db", durability="normal")
    shop.ask(shop.engine.open)
    shop.ask(shop.engine.extend, [Beat(worker="w", lease=1e6)])
    assert not shop.owes()
    shop.close()


def test_a_lease_that_nothing_follows_is_synced_all_the_same_within_50_ms(tmp_path):
    syncs = []
    vfs = Watched("lazy-soon", Disk(), lambda: None, syncs.append)
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), SystemClock(), "lazy-soon", "boot", Files())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: drive(engine.open())).result(PATIENCE)
        before = len(syncs)
        thread.submit(lambda: drive(engine.extend([Beat(worker="w", lease=1e6)]))).result(PATIENCE)
        ends = time.monotonic() + PATIENCE
        while len(syncs) == before:
            assert time.monotonic() < ends
            time.sleep(0.001)
        thread.submit(lambda: drive(engine.close())).result(PATIENCE)
    vfs.unregister()
    assert SOON <= 0.05


def test_after_a_loss_of_power_that_took_a_lease_back_the_worker_of_before_can_settle_nothing(tmp_path):
    """Its fence is given out once more, but the names of workers are not."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    engine = Sqlite(Settings(url=f"sqlite:///{before}/q.db"), SystemClock(), boot="one", among=Files())
    drive(engine.open())
    drive(engine.extend([Beat(worker="old", lease=60)]))
    drive(engine.publish([Message(id="a", queue="q")]))
    shutil.copytree(before, after, ignore=shutil.ignore_patterns("*-bells", "*-shm"))  # what the disk holds
    (old,) = drive(engine.lease(Want("old", ["q"], 1))).deliveries
    drive(engine.close())
    (after / "q.db-mark").unlink()
    engine = Sqlite(Settings(url=f"sqlite:///{after}/q.db"), SystemClock(), boot="two", among=Files())
    drive(engine.open())
    drive(engine.extend([Beat(worker="new", lease=60)]))
    (new,) = drive(engine.lease(Want("new", ["q"], 1))).deliveries
    assert (new.fence, new.receipt, new.attempt) == (old.fence, old.receipt, old.attempt)
    assert drive(engine.settle("old", [Settlement(old, Ack())])) == [False]
    assert drive(engine.settle("new", [Settlement(old, Ack())])) == [True]
    drive(engine.close())
