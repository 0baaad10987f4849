"""Another SQLite library in a process that has the app open: nothing accepted is lost by it, and it is told.

Each story is a process that publishes in one thread, while another thread looks at the file with Python's own sqlite3;
some commits later it is killed. Then others look at what it left.
"""

import os
from pathlib import Path

import apsw
import pytest

import starts
from faults import pythons
from forebay import Forebay
from forebay.engine.waiting import drive

PATIENCE = 200.0
MORE = 60
#: Publishes all the time, notes what was accepted, does `VISIT` meanwhile, and is killed `MORE` commits after it.
PROCESS = f"""
import os, sqlite3, sys, threading, time
from contextlib import closing
from forebay import Forebay, ForebayError
app = Forebay("sqlite:///q.db")
accepted, visited = os.open("accepted", os.O_WRONLY | os.O_CREAT | os.O_APPEND), threading.Event()
def publish():
    os.write(accepted, (app.publish("q", "x" * 100).id + chr(10)).encode())
def work():
    more = 0
    while more < {MORE}:
        try:
            publish()
        except ForebayError as error:
            print("told:", error, flush=True)
            break
        more += visited.is_set()
    os.kill(os.getpid(), 9)
publish()
threading.Thread(target=work, daemon=True).start()
time.sleep(0.02)
try:
    VISIT
except Exception as error:
    print("refused:", type(error).__name__, error, flush=True)
visited.set()
time.sleep(600)
"""
LOOK = "with closing(sqlite3.connect({})) as db: print(db.execute('select count(*) > 0 from message').fetchall()[0])"
VISITS = {
    "read and write": LOOK.format("'q.db'"),
    "absolute": LOOK.format("os.path.abspath('q.db')"),
    "bytes": LOOK.format("b'./q.db'"),
    "link": "os.symlink('q.db', 'link.db')\n    " + LOOK.format("'link.db'"),
    "read only": "for _ in range(10):\n        " + LOOK.format("'file:q.db?mode=ro', uri=True"),
    "escaped": LOOK.format("'file://localhost' + os.getcwd() + '/%71.db?mode=ro', uri=True"),
    "immutable": LOOK.format("'file:q.db?immutable=1', uri=True").replace(
        " > 0 from message", " >= 0 from sqlite_schema"
    ),
    "attached": LOOK.format("':memory:'").replace("print", "db.execute('attach ? as other', ['q.db']); print"),
    "backup": "with closing(sqlite3.connect('q.db')) as db, closing(sqlite3.connect('copy.db')) as to: db.backup(to)",
    "vacuum into": "with closing(sqlite3.connect('q.db')) as db: db.execute(\"vacuum into 'copy.db'\")",
    "plain file": "[open(name, 'rb').read() for name in ('q.db', 'q.db-wal', 'q.db-shm')]",
    "left open": "keep = [sqlite3.connect('file:q.db?mode=ro', uri=True) for _ in 'abc']; keep[0].execute('select 1')",
    "dropped while it reads": "sqlite3.connect('q.db').execute('select * from message').fetchone()",
}


def play(folder, visit):
    """A process with that visit, to its end; what it said."""
    code = PROCESS.replace("VISIT", visit)
    done = pythons.run(code, cwd=folder)
    assert done.returncode == -9, done.stderr
    return done.stdout, done.stderr


def accepted(folder):
    return set((folder / "accepted").read_text().split())


def there(path):
    """The ids in a database that is whole, seen by our SQLite; the database of the app is closed again."""
    db = apsw.Connection(str(path))
    assert db.execute("pragma integrity_check").get == "ok"
    ids = {id_ for (id_,) in db.execute("select id from message")}
    db.close()
    return ids


@pytest.mark.parametrize("visit", VISITS)
def test_a_look_by_another_library_costs_nothing_that_was_accepted(tmp_path, visit):
    said, told = play(tmp_path, VISITS[visit])
    assert "refused" not in said
    assert "told" not in said
    assert accepted(tmp_path) <= there(tmp_path / "q.db")
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        assert drive(app.engine.depth(["q"]))[0].ready >= len(accepted(tmp_path))
    if (tmp_path / "copy.db").exists():
        assert there(tmp_path / "copy.db") <= there(tmp_path / "q.db")
    if visit not in ("attached", "plain file"):  # which nobody can see come
        assert (
            told.count("now by a second SQLite library (sqlite3) too: until that is closed this process writes nothing")
            == 1
        )


WRITES = [
    "insert into queue (name) values ('x')",
    "update message set priority = 5",
    "create table other (a)",
    "begin immediate; update message set priority = 5; commit",
    "pragma wal_checkpoint(truncate)",
    "pragma user_version",
    "vacuum",
]


@pytest.mark.parametrize("statement", WRITES)
def test_while_another_library_may_write_we_do_not_and_both_are_whole(tmp_path, statement):
    visit = f"""
    for _ in range(5):
        with closing(sqlite3.connect('q.db', isolation_level=None)) as db:
            db.executescript({statement!r}), time.sleep(0.01)
    """
    said, _ = play(tmp_path, visit)
    assert "told" not in said
    assert accepted(tmp_path) <= there(tmp_path / "q.db")


def test_a_connection_of_another_library_that_stays_open_stops_us_with_a_word_and_nothing_is_written(tmp_path):
    visit = f"""
    import forebay.engine.sqlite.foreign as foreign
    foreign.PATIENCE = 0.2
    keep = sqlite3.connect('q.db')
    for _ in range({MORE}):
        try: publish()
        except ForebayError as error: print("told:", error, flush=True); break
    keep.close()
    publish()
    """
    said, _ = play(tmp_path, visit)
    assert "is still open in this process by a second SQLite library (sqlite3), beside which nothing may be" in said
    assert accepted(tmp_path) == there(tmp_path / "q.db")


def test_where_a_system_lacks_the_locks_for_it_another_library_is_refused(tmp_path):
    visit = (
        "import forebay.engine.sqlite.guard as guard; guard._SET = None\n    other = Forebay('sqlite:///r.db')\n    "
    )
    visit += "other.publish('q', 1)\n    sqlite3.connect('r.db')"
    said, _ = play(tmp_path, visit)
    assert "refused: EngineError" in said
    assert "a second SQLite library (sqlite3) in one process destroys what was accepted: look from another" in said


@pytest.mark.parametrize("how", ["sqlite3.connect(path)", "open(path, 'rb')", "os.open(path, os.O_RDONLY)"])
def test_a_file_that_something_else_in_the_process_has_open_already_is_not_opened(tmp_path, how):
    path = tmp_path / "q.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish("q", 1)
    code = f"""if 1:
        import os, sqlite3, sys
        from forebay import EngineUnreachable, Forebay
        path = sys.argv[1]
        other = {how}
        if hasattr(other, "execute"): other.execute("select * from message")
        app = Forebay(f"sqlite:///{{path}}")
        try: app.publish("q", 2)
        except EngineUnreachable as error: print(error)
        os.close(other) if isinstance(other, int) else other.close()
        app.publish("q", 3)
    """
    said = pythons.done(code, path)
    assert "is open in this process already, by another SQLite library (sqlite3?) or as a plain file" in said
    assert len(there(path)) == 2


def test_once_the_app_is_closed_the_file_is_anybodys(tmp_path):
    code = """if 1:
        import asyncio, sqlite3
        from forebay import Forebay
        app = Forebay("sqlite:///q.db")
        app.publish("q", 1)
        asyncio.run(app.close())
        with sqlite3.connect("q.db") as db:
            db.execute("delete from message")
        db.close()
        app.publish("q", 2)
    """
    pythons.done(code, cwd=tmp_path)
    assert len(there(tmp_path / "q.db")) == 1


#: Works off its log every few commits, beside a process that does the same, while sqlite3 copies and counts.
CROWDED = """
import sqlite3, subprocess, sys, threading, time
from contextlib import closing
from forebay import Forebay
from forebay.engine.sqlite import place
place.LEAST_LOG, place.RESERVE = 40_000, 160_000
app = Forebay("sqlite:///q.db", durability="normal")
def work():
    ends = time.monotonic() + 1.5
    while time.monotonic() < ends:
        app.publish_many("q", ["x" * 2000] * 5)
if len(sys.argv) > 1:
    sys.exit(work())
app.publish("q", 1)
other = subprocess.Popen([sys.executable, __file__, "other"])
working = threading.Thread(target=work)
working.start()
looks = torn = 0
while working.is_alive() or not looks:
    with closing(sqlite3.connect("q.db")) as db, closing(sqlite3.connect(":memory:")) as copy:
        db.backup(copy)
        for one in (db, copy):
            kept, counted = one.execute(
                "select (select sum(n) from tally where name = 'published'),"
                "       (select count(*) from message where +body is not null)"
            ).fetchone()
            torn += kept != counted or one.execute("pragma integrity_check").fetchone()[0] != "ok"
    looks += 1
print(looks, torn, other.wait())
"""


def test_what_another_library_reads_or_copies_is_whole_however_busy_the_file_is(tmp_path):
    (tmp_path / "crowded.py").write_text(CROWDED)
    done = starts.run(["crowded.py"], tmp_path, os.environ, PATIENCE, python=())
    looks, torn, code = map(int, done.stdout.split())
    assert looks > 0, done.stderr
    assert (torn, code) == (0, 0)
    there(tmp_path / "q.db")


def test_a_log_that_was_kept_for_a_look_is_worked_off_when_it_is_over(tmp_path):
    code = """if 1:
        import os, sqlite3, time
        from forebay import Forebay
        from forebay.engine.sqlite import place
        place.LEAST_LOG, place.RESERVE = 40_000, 160_000
        app = Forebay("sqlite:///q.db", durability="normal")
        app.publish("q", 1)
        db = sqlite3.connect("file:q.db?mode=ro", uri=True)
        empty = os.stat("q.db").st_size
        app.publish_many("q", ["x" * 1000] * 1000)
        app.publish("q", 1)
        kept = os.stat("q.db").st_size
        db.close()
        time.sleep(0.15)
        app.publish_many("q", ["x" * 1000] * 10)
        print(kept == empty, os.stat("q.db").st_size > 1_000_000)
    """
    said = pythons.done(code, cwd=tmp_path)
    assert said == "True True\n"
    assert not Path(tmp_path / "q.db-wal").exists()
