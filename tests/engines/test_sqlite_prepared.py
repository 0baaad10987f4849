"""The statements of the usual verbs are planned once: a plan costs more than most of what they do."""

import apsw
import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec

BOUNDS = {
    "nothing": {},
    "a rate": {"rate": 1e6},
    "slots": {"concurrency": 1_000},
    "keys": {"key_rate": 1e6, "key_concurrency": 100},
    "order": {"ordered": True},
    "fairness": {"fair": True},
}


@pytest.fixture(params=BOUNDS)
def engine(request, tmp_path):
    engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", durability="normal"), SystemClock())
    drive(engine.open())
    drive(engine.declare([QueueSpec(name="q", **BOUNDS[request.param])]))
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    yield engine
    drive(engine.close())


def use(engine, count, limit):
    drive(engine.publish([Message(id=new_id(), queue="q", body=b"\x80", key=f"k{n}") for n in range(count)]))
    leased = drive(engine.lease(Want("w", ["q"], limit))).deliveries
    drive(engine.settle("w", [Settlement(one, Ack()) for one in leased]))
    drive(engine.depth(["q"]))


def test_no_statement_is_planned_anew(engine):
    for count, limit in ((1, 1), (30, 20), (3, 5)):
        use(engine, count, limit)  # what is planned for the first time
    seen = {}

    def note(told):
        seen[told["sql"]] = told["stmt_status"]["SQLITE_STMTSTATUS_REPREPARE"]

    db = engine._db.writer._db
    db.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)
    before = dict(seen)
    for count, limit in ((1, 2), (30, 21), (2, 6), (1, 1)):
        use(engine, count, limit)
        before = before or dict(seen)  # the table of the first keys may be planned once more
    db.trace_v2(0, None)
    assert seen
    assert {sql: n for sql, n in seen.items() if n > before.get(sql, 0)} == {}


def test_a_long_batch_takes_no_statement_out_of_the_cache(engine):
    for _ in range(2):
        use(engine, 60, 60)
    db = engine._db.writer._db
    before = db.cache_stats()["misses"]
    use(engine, 60, 60)
    assert db.cache_stats()["misses"] - before < 10
