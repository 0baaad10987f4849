"""A queue that was drained, and looked at by VACUUM then, is as fast as before when the next burst comes.

A session plans a statement once. Where statistics say at that time that a table is empty, to read all of it is as cheap
as to look for one row, and the plan is kept while thousands come in. So rows are looked for by key in a form that
leaves no other plan: `m.seq = any (array[l.seq])`, for which no order of the whole index is of use.
"""

import re
from importlib.resources import files

import pytest

from engines.servers import postgres
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build
from forebay.engine.postgres.statements import Statements
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.model.outcome import Ack, Settlement

#: Where a row of a large table is looked for by what another row says.
BY_KEY = re.compile(r"\b([a-z]+)\.(seq|id|n) = ([a-z]+)\.(seq|id|n)\b")
#: Tables of which each row is looked for by its key.
LARGE = re.compile(r"forebay\.(message|ended|merged|lasting) ([a-z]+)\b")
#: Run seldom, over all rows there are, or for one row.
SELDOM = {"not_twice.sql", "rename.sql"}


def texts():
    here = files("forebay.engine.postgres")
    found = [*(here / "sql").iterdir(), *(here / "migrations").iterdir()]
    return {one.name: one.read_text(encoding="utf-8") for one in found if one.name.endswith(".sql")}


def test_no_statement_looks_for_rows_by_key_in_a_form_that_may_read_a_whole_table():
    wrong = [
        f"{name}: {match[0]}"
        for name, text in texts().items()
        if name not in SELDOM
        for match in BY_KEY.finditer(text)
        if {match[1], match[3]} & {alias for _, alias in LARGE.findall(text)}
    ]
    assert not wrong, "write m.seq = any (array[l.seq])"


@pytest.fixture
def engine():
    made = build(postgres.empty(durability="normal"), SystemClock())
    drive(made.open())
    drive(made.extend([Beat(worker="w", lease=1e6)]))
    yield made
    drive(made.close())


def publish(engine, n):
    drive(engine.publish([Message(id=new_id(), queue="q") for _ in range(n)]))


def lease(engine, n):
    return drive(engine.lease(Want("w", ["q"], n))).deliveries


@pytest.mark.parametrize("name", ["finish", "owned", "again", "ran", "last", "settled_before"])
def test_each_row_is_looked_for_by_its_key_though_the_table_is_known_to_be_empty(engine, name):
    publish(engine, 300)
    drive(engine.settle("w", [Settlement(one, Ack()) for one in lease(engine, 300)]))
    with postgres.connect(autocommit=True) as db:
        for table in ("message", "ended"):
            db.execute(f'vacuum analyze "{postgres.NAMESPACE}".{table}')
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            db.execute(f"set {setting} = off")
        db.execute("set plan_cache_mode = force_generic_plan")
        text = Statements(engine._db.address)[name]
        n = max(map(int, re.findall(r"\$(\d+)", text)))
        db.execute(f"prepare looked_at as {text}")
        plan = "\n".join(
            row[0] for row in db.execute(f"explain (costs off) execute looked_at({', '.join(['null'] * n)})")
        )
    assert re.search(r"Index Cond: \(+(seq|id) = ANY", plan), plan
    scans = re.findall(r"(?:Index|Seq)[\w ]* Scan .*?(?:on|using) (?:message|ended)\w*.*\n(.*)", plan)
    assert scans, plan
    assert all("Index Cond" in after for after in scans), plan


def test_a_burst_that_comes_after_it_is_leased_and_ended(engine):
    publish(engine, 20)
    drive(engine.settle("w", [Settlement(one, Ack()) for one in lease(engine, 20)]))
    with postgres.connect(autocommit=True) as db:
        db.execute(f'vacuum analyze "{postgres.NAMESPACE}".message')
    publish(engine, 1)
    drive(engine.settle("w", [Settlement(one, Ack()) for one in lease(engine, 1)]))  # planned by now
    for _ in range(4):
        publish(engine, 5_000)
    for _ in range(4):
        taken = lease(engine, 5_000)
        assert drive(engine.settle("w", [Settlement(one, Ack()) for one in taken])) == [True] * 5_000
