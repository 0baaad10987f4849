"""What a SQLite file says of a queue holds for the next message, whoever changed it: nobody goes by what was there."""

import pytest

from forebay.config import Settings
from forebay.engine.contract import Fate
from forebay.engine.sqlite import limits
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.queue import QueueSpec
from forebay.testing.clock import ManualClock


@pytest.fixture
def engine(tmp_path):
    engine = opened(tmp_path)
    drive(engine.declare([QueueSpec(name="q")]))
    publish(engine)  # so that it has seen the queue
    yield engine
    drive(engine.close())


def opened(folder):
    """An engine with a connection of its own, as in another process."""
    engine = Sqlite(Settings(url=f"sqlite:///{folder}/q.db"), ManualClock(), among=Files())
    drive(engine.open())
    return engine


def publish(engine, **ways):
    message = Message(id=new_id(), queue="q", body=b"\x80", **ways)
    return message.id, drive(engine.publish([message]))[0].fate


def found(engine, column, id_):
    return engine._db.read(f"select {column} from message where id = ?", (id_,))[0][0]


def by_itself(engine, folder, spec):
    drive(engine.declare([spec]))


def elsewhere(engine, folder, spec):
    other = opened(folder)
    drive(other.declare([spec]))
    drive(other.close())


@pytest.mark.parametrize("declare", [by_itself, elsewhere])
def test_a_limit(engine, tmp_path, declare):
    declare(engine, tmp_path, QueueSpec(name="q", limit=1))
    assert publish(engine)[1] is Fate.FULL


@pytest.mark.parametrize("declare", [by_itself, elsewhere])
def test_a_time_to_live(engine, tmp_path, declare):
    declare(engine, tmp_path, QueueSpec(name="q", ttl=60.0))
    id_, _ = publish(engine)
    assert found(engine, "expires - created", id_) == 60.0


@pytest.mark.parametrize("declare", [by_itself, elsewhere])
def test_what_waits_apart(engine, tmp_path, declare):
    declare(engine, tmp_path, QueueSpec(name="q", key_concurrency=1))
    id_, _ = publish(engine, key="k")
    assert "k" in found(engine, "lane", id_)


def test_a_limit_that_was_taken_back(engine, tmp_path):
    by_itself(engine, tmp_path, QueueSpec(name="q", limit=1))
    assert publish(engine)[1] is Fate.FULL
    by_itself(engine, tmp_path, QueueSpec(name="q"))
    assert publish(engine)[1] is Fate.ACCEPTED


def test_what_was_declared_in_a_transaction_that_failed_does_not_hold(engine):
    def declare_publish_and_fail(tx):
        limits.declare(tx, [QueueSpec(name="q", ttl=60.0)])
        engine._publishing.publish(tx, [Message(id=new_id(), queue="q")])
        raise ValueError("the transaction fails")

    async def fail():
        await engine._db.writer.submit(declare_publish_and_fail)

    with pytest.raises(ValueError, match="the transaction fails"):
        drive(fail())
    id_, _ = publish(engine)
    assert found(engine, "expires", id_) is None
