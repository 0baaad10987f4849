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
