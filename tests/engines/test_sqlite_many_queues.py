"""What it takes to declare or pause many queues at once grows with their number, and not with its square."""

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.writer import Transaction
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec


@pytest.fixture
def read(monkeypatch):
    """How many rows transactions have read, in a list of one."""
    rows, read = Transaction.rows, [0]

    def counted(self, *args):
        found = rows(self, *args)
        read[0] += len(found)
        return found

    monkeypatch.setattr(Transaction, "rows", counted)
    return read


def test_many_queues_are_declared_and_a_task_paused_in_all_of_them_in_time(tmp_path, read):
    def rows_of(n):
        """Rows read to declare n queues, to pause a task in all of them, and to declare them anew."""
        engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/{n}.db"), SystemClock())
        drive(engine.open())
        found = []
        for act in (
            lambda: engine.declare([QueueSpec(name=f"q{i}", concurrency=5) for i in range(n)]),
            lambda: engine.close_gate("", task="send"),
            lambda: engine.declare([QueueSpec(name=f"q{i}", concurrency=6) for i in range(2 * n)]),
        ):
            read[0] = 0
            drive(act())
            found.append(read[0])
        drive(engine.close())
        return found

    few, many = rows_of(40), rows_of(160)
    assert all(after < 6 * before for before, after in zip(few, many, strict=True)), (few, many)


@pytest.mark.parametrize("bounds", [{"concurrency": 5}, {"key_rate": 5.0}])
def test_a_lease_over_many_queues_asks_none_by_itself_in_which_nothing_waits(tmp_path, bounds):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), SystemClock())
    drive(engine.open())
    names = [f"q{number}" for number in range(300)]
    drive(engine.declare([QueueSpec(name=name, **bounds) for name in names]))
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    drive(engine.publish([Message(id=new_id(), queue="q271", key="k", body=b"\x80")]))
    statements = []
    engine._db.writer._db.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: statements.append(event["sql"]))
    assert [one.queue for one in drive(engine.lease(Want("w", names, 10))).deliveries] == ["q271"]
    assert len(statements) < 40
    drive(engine.close())


@pytest.fixture
def crowd(tmp_path):
    """An engine with 300 queues that bound something, and the function that has so many messages wait in each."""
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), SystemClock())
    drive(engine.open())
    names = [f"q{number}" for number in range(300)]
    drive(engine.declare([QueueSpec(name=name, concurrency=100) for name in names]))
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    yield (
        engine,
        names,
        lambda n: drive(
            engine.publish([Message(id=new_id(), queue=name, body=b"\x80") for name in names for _ in range(n)])
        ),
    )
    drive(engine.close())


def lease(engine, names, n):
    return [one.queue for one in drive(engine.lease(Want("w", names, n))).deliveries]


def test_a_lease_looks_at_no_more_of_the_queues_that_are_ready_than_it_takes_from(crowd, read):
    """And at those that come next each time, so that each has its turn."""
    engine, names, publish = crowd
    publish(20)
    taken = lease(engine, names, 64)
    assert len(taken) == 64
    assert len(set(taken)) == 16, "some of each, and no look for each message"
    lease(engine, names, 10)
    read[0] = 0
    seen = lease(engine, names, 10)
    assert read[0] - len(names) < 150, "what each bounds is read; and not whether each is ready"
    for _ in range(29):
        seen += lease(engine, names, 10)
    assert sorted(seen) == sorted(names)


def test_where_each_queue_has_little_a_lease_takes_from_as_many_as_it_needs(crowd):
    engine, names, publish = crowd
    publish(1)
    assert [len(lease(engine, names, 200)) for _ in range(3)] == [200, 100, 0]


def test_what_the_first_ones_leave_goes_to_whoever_has_more(crowd):
    engine, names, publish = crowd
    publish(1)
    drive(engine.publish([Message(id=new_id(), queue="q7", body=b"\x80") for _ in range(50)]))
    assert sorted(lease(engine, names, 400)) == sorted([*names, *["q7"] * 50])


def test_a_queue_that_bounds_nothing_has_its_share_beside_many_that_do(crowd):
    engine, names, publish = crowd
    publish(20)
    drive(engine.publish([Message(id=new_id(), queue="plain", body=b"\x80") for _ in range(50)]))
    assert lease(engine, [*names, "plain"], 34).count("plain") == 2


def test_whoever_asks_for_one_at_a_time_gets_of_all_of_them_in_turn(crowd):
    engine, names, publish = crowd
    publish(20)
    drive(engine.publish([Message(id=new_id(), queue="plain", body=b"\x80") for _ in range(50)]))
    few = [*names[:2], "plain"]
    seen = [one for _ in range(24) for one in lease(engine, few, 1)]
    assert min(seen.count(name) for name in few) >= 5
