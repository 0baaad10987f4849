"""Operations that share a commit: one that fails costs its neighbours little, and nothing that they would miss."""

import asyncio
import gc

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.sqlite import opened as opening
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.writer import Writer
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineError
from forebay.model.ids import new_id
from forebay.model.message import Message


@pytest.fixture
def attempts(monkeypatch):
    """How many operations each transaction tried."""
    gc.collect()  # apps that other tests dropped close before, and are not counted
    sizes, attempt = [], Writer.attempt

    def counted(self, group):
        sizes.append(len(group.operations))
        return attempt(self, group)

    monkeypatch.setattr(Writer, "attempt", counted)
    return sizes


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """An engine that waits a fifth of a second for a foreign lock."""
    monkeypatch.setattr(opening, "BUSY_TIMEOUT", 200)
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), SystemClock())
    drive(engine.open())
    yield engine
    drive(engine.close())


def publish_at_once(engine, *bodies):
    """Publish each body in a call of its own, all on one loop; what each caller was told."""

    async def publish():
        calls = [engine.publish([Message(id=new_id(), queue="q", body=body)]) for body in bodies]
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(publish())


def accepted(engine):
    return drive(engine.depth(["q"]))[0].published


def test_one_that_fails_is_found_by_halving_and_all_others_are_accepted(opened, attempts):
    bodies = [b"\x80"] * 300
    bodies[200] = "no bytes: the table takes none of it"
    answers = publish_at_once(opened, *bodies)
    assert [number for number, answer in enumerate(answers) if isinstance(answer, Exception)] == [200]
    assert isinstance(answers[200], EngineError)
    assert accepted(opened) == 299
    assert len(attempts) < 30, "not a commit for each of them"


def test_a_foreign_lock_keeps_a_group_waiting_once_and_not_once_for_each(opened, attempts, tmp_path):
    foreign = apsw.Connection(f"{tmp_path}/q.db")
    foreign.execute("begin immediate")
    answers = publish_at_once(opened, *[b"\x80"] * 100)
    assert all("holds the write lock" in str(answer) for answer in answers)
    assert len(attempts) <= 3
    foreign.execute("rollback")
    publish_at_once(opened, b"\x80")
    assert accepted(opened) == 1
