"""What it takes to declare or pause many queues at once grows with their number, and not with its square."""

import pytest

from forebay.config import Settings
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.writer import Transaction
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
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
