"""The log of an open file goes away: its user says so, nobody else opens the file, and nothing is overwritten."""

import os

import apsw
import pytest

from faults import pythons
from forebay import Forebay, ForebayError

PATIENCE = 120.0
#: Publishes 50, deletes what the arguments name, publishes until it is told, waits for a line, ends in good order.
FIRST = """
import os, sys
from forebay import Forebay, ForebayError
app = Forebay("sqlite:///q.db")
def publish():
    with open("accepted", "a") as file: file.write(app.publish("q", "x").id + chr(10))
for _ in range(50): publish()
for name in sys.argv[1:]: os.unlink(name)
try:
    while True: publish()
except ForebayError as error: print(type(error).__name__, error, flush=True)
try: publish()
except ForebayError as error: print(type(error).__name__, error, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def first(tmp_path):
    """Starts it; what it was told, and the process."""
    started = []

    def start(*names):
        one = pythons.Talking(FIRST, *names, cwd=tmp_path)
        started.append(one)
        return one, [one.stdout.readline(), one.stdout.readline()]

    yield start
    for one in started:
        pythons.over(one)


def there(path):
    db = apsw.Connection(str(path))
    assert db.execute("pragma integrity_check").get == "ok"
    found = {id_ for (id_,) in db.execute("select id from message")}
    db.close()
    return found


def accepted(folder):
    return set((folder / "accepted").read_text().split())


@pytest.mark.parametrize("names", [["q.db-wal"], ["q.db-wal", "q.db-shm"], ["q.db-shm"], ["q.db-wal", "q.db-mark"]])
def test_it_is_told_at_once_nobody_else_opens_the_file_and_an_orderly_end_saves_all(tmp_path, first, names):
    one, told = first(*names)
    assert "was deleted or replaced" in told[0]
    assert told[1].startswith("EngineUnreachable")
    if "q.db-wal" in names:  # the very next commit, before its answer
        assert len(accepted(tmp_path)) == 50
        assert told[0].startswith(("OutcomeUnknown", "Nameless", "EngineUnreachable"))
        with pytest.raises(
            ForebayError, match=rf"while process {one.pid} \(python[^)]*\) had it open.*end that process"
        ):
            Forebay(f"sqlite:///{tmp_path}/q.db").publish("q", 1)
    one.communicate("\n", timeout=PATIENCE)
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish("q", 1)
    assert accepted(tmp_path) <= there(tmp_path / "q.db")


def test_what_somebody_went_on_with_is_not_overwritten_at_the_end(tmp_path, first):
    one, _ = first("q.db-wal", "q.db-shm")
    code = """if 1:
        import sqlite3
        db = sqlite3.connect("q.db", isolation_level=None)
        db.execute("create table if not exists theirs (a)")
        for n in range(1000): db.execute("insert into theirs values (?)", ["z" * 300])
        db.close()
    """
    pythons.done(code, cwd=tmp_path)
    one.communicate("\n", timeout=PATIENCE)
    db = apsw.Connection(str(tmp_path / "q.db"))
    assert db.execute("pragma integrity_check").get == "ok"
    assert db.execute("select count(*) from theirs").get == 1000
    db.close()


def test_an_old_log_put_back_over_a_newer_file_is_refused_and_not_folded_in(tmp_path):
    path = tmp_path / "q.db"
    code = "import os; from forebay import Forebay; app = Forebay('sqlite:///q.db'); "
    code += "app.publish_many('q', range(N)); os.kill(os.getpid(), 9)"
    pythons.run(code.replace("N", "20"), cwd=tmp_path)
    log = (tmp_path / "q.db-wal").read_bytes()
    with Forebay(f"sqlite:///{path}") as app:
        app.publish_many("q", ["y" * 500] * 500)
    newer = path.read_bytes()
    (tmp_path / "q.db-wal").write_bytes(log)
    for _ in range(2):
        with pytest.raises(ForebayError, match="would be mixed into it"):
            Forebay(f"sqlite:///{path}").publish("q", 1)
    assert path.read_bytes() == newer
    (tmp_path / "q.db-wal").unlink()
    with Forebay(f"sqlite:///{path}") as app:
        assert app.queues("q")[0].ready == 520


def test_a_file_with_two_names_is_refused(tmp_path):
    path = tmp_path / "q.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish("q", 1)
    os.link(path, tmp_path / "other.db")
    for name in ("q.db", "other.db"):
        with pytest.raises(ForebayError, match=r"has 2 names \(hard links\): keep one"):
            Forebay(f"sqlite:///{tmp_path}/{name}").publish("q", 1)
    (tmp_path / "other.db").unlink()
    with Forebay(f"sqlite:///{path}") as app:
        assert app.queues("q")[0].ready == 1
