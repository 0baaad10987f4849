"""A file that version 1 wrote, opened by this Forebay: nothing of it is lost, and an older Forebay refuses it then.

`files/version-0001.db.gz` was made by version 1 itself: messages in every state, ends, dead letters, gates, schedules,
workers, and one row that nobody can read.
"""

import gzip
import random
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

import whole_schema
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.engine.sqlite import Sqlite, checkup, schema
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.errors import SchemaTooNew, SchemaTooOld
from forebay.model.finding import Level
from forebay.model.lifecycle import State
from forebay.model.outcome import Ack, Settlement
from forebay.store.records import Choice, Query
from forebay.testing import ManualClock

OLD = Path(__file__).parent / "files" / "version-0001.db.gz"
#: The clock by which it was made.
THEN = 1_760_000_002.0


@pytest.fixture
def path(tmp_path):
    """A copy of the old file."""
    old = tmp_path / "queue.db"
    old.write_bytes(gzip.decompress(OLD.read_bytes()))
    return old


@pytest.fixture
def opened(path):
    """The old file, opened and so migrated, and its clock."""
    clock = ManualClock(wall=THEN)
    backend = build(Settings(url=f"sqlite:///{path}"), clock)
    drive(backend.open())
    yield backend, clock
    drive(backend.close())


def called(name):
    return f"{name:0>32}"


def find(backend, name):
    return drive(backend.find([called(name)]))[0]


def test_every_message_is_where_it_was(opened):
    backend, _ = opened
    states = {
        State.READY: ("ready", "ready2", "ready-unique"),
        State.RUNNING: ("lost", "running", "asked"),
        State.SCHEDULED: ("retried", "scheduled"),
        State.PARKED: ("parked", "inlane", "raw"),  # behind the gate of a lane, or of a queue
        State.DEAD: ("dead1", "dead2"),
        State.DONE: ("done", "quiet"),
        State.CANCELLED: ("cancelled",),
        State.EXPIRED: ("expired",),
        State.DISCARDED: ("discarded",),
    }
    for state, names in states.items():
        assert [find(backend, name).state for name in names] == [state] * len(names)
    assert find(backend, "done").result == b"\xa2ok"
    assert (find(backend, "retried").failure.message, find(backend, "retried").unique) == ("boom", "u-1")
    assert (find(backend, "dead1").key, find(backend, "dead1").headers, find(backend, "dead1").priority) == (
        "tenant",
        {"a": "b"},
        2,
    )
    assert (find(backend, "parked").lane, find(backend, "parked").cause) == ("smtp", "down")
    assert find(backend, "running").progress == b"\x05"


def test_gates_are_the_operators_and_open_as_before(opened):
    backend, _ = opened
    gates = {(gate.queue, gate.lane): gate for gate in drive(backend.gates())}
    assert {place: (gate.holder, gate.reason, gate.until) for place, gate in gates.items()} == {
        ("mail", "smtp"): ("operator", "provider is down", None),
        ("reports", None): ("operator", "holidays", None),
    }
    drive(backend.open_gate("mail", "smtp"))
    assert find(backend, "parked").state == "ready"


def test_schedules_keep_their_message_and_their_place_in_time(opened):
    backend, _ = opened
    nightly, tidy = drive(backend.schedules())
    assert (tidy.cron, tidy.tz, tidy.missed, tidy.next, tidy.paused) == (
        "0 * * * *",
        "UTC",
        "once",
        1_760_003_600.0,
        False,
    )
    assert (tidy.message.task, tidy.message.queue, tidy.message.body) == ("tidy", "reports", b"\x80")
    assert (nightly.last, nightly.next, nightly.paused) == (1_760_010_000.0, 1_760_096_400.0, True)
    assert nightly.message.body == b"\x81\xa1a\xda\x01\x90" + b"z" * 400
    assert (nightly.overlap, nightly.flaw) == ("allow", "")


def test_work_goes_on(opened):
    """What runs is settled, what waits is leased, dead letters are redriven; the row nobody can read is told."""
    backend, clock = opened
    drive(backend.extend([Beat(worker="new", lease=1e6)]))
    drive(backend.recover(["w-lives"]))
    drive(backend.open_gate("reports"))
    drive(backend.open_gate("mail", "smtp"))
    assert drive(backend.redrive(Choice())) == 2
    clock.advance(3600)
    leased = drive(backend.lease(Want("new", ["mail", "reports"], 100))).deliveries
    assert (
        len(leased) == 5 + 2 + 2 + 1 + 2
    )  # ready, running before, due by now, parked, dead; not the one to be cancelled
    assert all(drive(backend.settle("new", [Settlement(one, Ack()) for one in leased])))
    assert find(backend, "asked").state == "cancelled"
    assert "its task is no UTF-8" in find(backend, "odd").cause
    assert drive(backend.messages(Query())) == []


def test_the_numbers_still_hold(opened):
    backend, _ = opened
    (mail, reports) = drive(backend.depth(["mail", "reports"]))
    assert (mail.ready, mail.scheduled, mail.running, mail.parked, mail.dead, mail.published) == (4, 2, 1, 2, 2, 15)
    assert (reports.ready, reports.parked, reports.running, reports.paused) == (0, 1, 2, True)


def test_without_leave_to_migrate_it_is_left_alone(path):
    backend = build(Settings(url=f"sqlite:///{path}", migrate=False), ManualClock(wall=THEN))
    with pytest.raises(SchemaTooOld, match="forebay migrate"):
        drive(backend.open())
    assert apsw.Connection(str(path)).pragma("user_version") == 1


def test_an_older_forebay_refuses_it_afterwards(opened, path, monkeypatch):
    known = schema.migrations()[:1]
    monkeypatch.setattr(schema, "migrations", lambda: known)
    with pytest.raises(SchemaTooNew, match="upgrade Forebay"):
        drive(Sqlite(Settings(url=f"sqlite:///{path}"), ManualClock(wall=THEN), among=Files()).open())


MIGRATE = """
import os, signal, sys
import apsw
from forebay.config import Settings
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.testing import ManualClock

path, count, last = sys.argv[1], 0, -1

def strike(cursor, statement, bindings):
    global count
    count += statement.lstrip().startswith(("alter", "create", "drop", "insert into", "update", "commit"))
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

apsw.connection_hooks.append(lambda db: setattr(db, "exec_trace", strike))
backend = build(Settings(url=f"sqlite:///{path}"), ManualClock(wall=1_760_000_002.0))
for line in sys.stdin:  # each in a process of its own, made before anything is open
    if (pid := os.fork()) == 0:
        last = int(line)
        drive(backend.open())
        print(count, end=" ", flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture
def migrate(path):
    """Opens the file in a process of its own, which is killed at a statement that writes; its exit code comes last."""
    command = [sys.executable, "-c", MIGRATE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(strike):
            process.stdin.write(f"{strike}\n")
            process.stdin.flush()
            return [int(word) for word in process.stdout.readline().split()]

        yield run
        process.stdin.close()


def test_a_kill_at_any_statement_leaves_the_old_file_or_the_new_one(path, migrate):
    """Wherever it strikes, the next who opens it finds all messages, and the file whole."""
    whole = path.read_bytes()
    statements, _ = migrate(-1)
    assert statements > 30
    chance = random.Random()
    for strike in sorted({1, statements, *chance.sample(range(1, statements + 1), 8)}):
        for companion in path.parent.iterdir():
            if companion.is_file():
                companion.unlink()
        path.write_bytes(whole)
        assert migrate(strike) == [-signal.SIGKILL], strike
        backend = build(Settings(url=f"sqlite:///{path}"), ManualClock(wall=THEN))
        drive(backend.open())
        test_every_message_is_where_it_was((backend, None))
        test_the_numbers_still_hold((backend, None))
        drive(backend.close())
        db = apsw.Connection(str(path))
        assert (db.pragma("integrity_check"), db.pragma("user_version")) == ("ok", schema.newest())
        db.close()


#: How version 1 did these; what it may still do beside a newer Forebay is what comes out right.
OLD_WAYS = {
    "publish": "insert into message (id, queue, lane, state, created, uniq, task, body) "
    "values ('x', 'mail', '', 1, 0.0, 'u-1', 't', x'80')",
    "lease": "update message set state = 2, worker = 'w-lives' where seq in "
    "(select seq from message indexed by message_ready where state = 1 limit 1)",
    "open a gate": "delete from gate where queue = 'mail' and lane = 'smtp'",
    "close a gate": "insert into gate (queue, lane, reason, since) values ('mail', '*', '', 0.0)",
    "redrive": "insert into message (id, queue, lane, state, priority, fence, created, key, uniq, task, headers, body) "
    "select id, queue, lane, 1, priority, fence, 0.0, key, uniq, task, headers, body from dead",
    "put a schedule": "insert into schedule (name, cron, tz, task, queue, body, missed, next) "
    "values ('s', '* * * * *', 'UTC', 't', 'q', x'80', 'once', 0.0)",
}


@pytest.mark.parametrize("way", OLD_WAYS)
def test_a_process_of_the_old_version_that_goes_on_is_refused_not_obeyed(opened, path, way):
    """One that had the file open when it was migrated: it takes nothing in and nothing out any more."""
    db = apsw.Connection(str(path))
    with pytest.raises(apsw.SQLError):
        db.execute(OLD_WAYS[way])
    db.close()


def test_what_an_old_worker_still_runs_it_can_settle(opened, path):
    backend, _ = opened
    db = apsw.Connection(str(path))
    seq, fence, id_ = db.execute("select seq, fence, id from message where id = ?", (called("running"),)).fetchall()[0]
    with db:
        db.execute(
            "insert into finished (id, queue, task, state, attempt, created, finished, expires, result) "
            "values (?, 'reports', 'send_mail', 'done', 1, 0.0, 0.0, 9e9, null)",
            (id_,),
        )
        db.execute("delete from message where seq = ? and fence = ? and state = 2", (seq, fence))
        db.execute("update tally set n = n - 1 where queue = 'reports' and name = 'running'")
    db.close()
    assert find(backend, "running").state == "done"
    assert drive(backend.depth(["reports"]))[0].running == 1


def test_a_new_file_has_the_very_schema_that_the_migrations_come_to(tmp_path):
    version, statements = schema.whole()
    db = apsw.Connection(":memory:")
    db.execute(statements)
    assert whole_schema.contents(db) == whole_schema.contents(whole_schema.migrated(version))
    made = build(Settings(url=f"sqlite:///{tmp_path}/new.db"), ManualClock())
    drive(made.open())
    drive(made.close())
    new = apsw.Connection(str(tmp_path / "new.db"))
    assert whole_schema.contents(new).keys() == whole_schema.contents(whole_schema.migrated(schema.newest())).keys()
    assert new.pragma("user_version") == schema.newest()


def test_where_that_is_behind_the_migrations_after_it_follow(tmp_path, monkeypatch):
    version = schema.newest() + 1
    known = [*schema.migrations(), (version, "create table later (a); create table latest (b)")]
    monkeypatch.setattr(schema, "migrations", lambda: known)
    made = build(Settings(url=f"sqlite:///{tmp_path}/new.db"), ManualClock())
    drive(made.open())
    drive(made.close())
    new = apsw.Connection(str(tmp_path / "new.db"))
    assert new.pragma("user_version") == version
    assert new.execute("select count(*) from sqlite_schema where name in ('later', 'latest')").get == 2


#: What a file of version 2 from before the first release may lack, or have otherwise, of what the migrations count on.
NEVER_RELEASED = {
    "something a migration changes": "drop index lane_waits",
    "something no migration looks at": "alter table queue drop column firm",
}


@pytest.mark.parametrize("made", NEVER_RELEASED)
def test_a_file_that_is_not_what_its_number_says_is_left_as_it_was(tmp_path, made):
    """Refused with what to do; whoever made it goes on with it, for nothing of it was changed."""
    path = str(tmp_path / "old.db")
    db = apsw.Connection(path)
    for _, statements in schema.migrations()[:2]:
        db.execute(statements)
    db.execute(f"{NEVER_RELEASED[made]}; pragma user_version = 2; pragma application_id = {schema.APPLICATION_ID}")
    before = whole_schema.contents(db)
    with pytest.raises(SchemaTooOld, match=r"before the first release.*nothing was changed.*forebay move"):
        drive(build(Settings(url=f"sqlite:///{path}"), ManualClock(wall=THEN)).open())
    assert (whole_schema.contents(db), db.pragma("user_version")) == (before, 2)
    db.close()


def test_doctor_looks_at_what_is_there_not_at_the_number(tmp_path):
    settings = Settings(url=f"sqlite:///{tmp_path}/old.db")
    made = build(settings, ManualClock())
    drive(made.open())
    drive(made.close())
    db = apsw.Connection(str(tmp_path / "old.db"))
    db.execute("alter table queue drop column firm")
    db.close()
    (found,) = (one for one in checkup.examine(settings) if one.check == "schema")
    assert (found.level, "queue.firm" in found.text, "forebay move" in found.advice) == (Level.FAIL, True, True)
