"""`forebay backup`: the copy is whole, or there is none and the exit code says so; what exists is kept."""

import json
import os

import apsw
import pytest

import starts
from forebay import Forebay

WRITER = (
    "import sys; from forebay import Forebay; app = Forebay('sqlite:///q.db')\nwhile True: app.publish('q', 'x' * 500)"
)


def run(folder, *words):
    return starts.run(words, folder, os.environ, 60)


@pytest.fixture
def folder(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish_many("q", range(50))
    return tmp_path


def names(folder):
    return {entry.name for entry in folder.iterdir()}


def messages(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.pragma("integrity_check") == "ok"
    found = db.execute("select count(*) from message").get, db.execute("select sum(n) from tally").get
    db.close()
    return found


def test_a_copy_made_while_others_write_is_whole_and_of_one_moment(folder):
    writer = starts.Started(["-c", WRITER], (0, 1, 2), folder, os.environ, python=())
    try:
        done = [run(folder, "backup", f"copy{n}.db", "--url", "sqlite:///q.db", "-o", "json") for n in range(3)]
    finally:
        writer.kill()
        writer.wait()
    for n, one in enumerate(done):
        assert one.returncode == 0, one.stderr
        told = json.loads(one.stdout)
        assert (told["source"], told["target"], told["missing"]) == ("q.db", f"copy{n}.db", 0)
        assert (folder / f"copy{n}.db").stat().st_mode & 0o777 == 0o600
        with Forebay(f"sqlite:///{folder}/copy{n}.db") as app:
            (depth,) = app.queues("q")
        count, _ = messages(folder / f"copy{n}.db")
        assert count == told["messages"] == depth.ready >= 50


def test_what_exists_is_kept_unless_it_is_forced(folder):
    (folder / "copy.db").write_text("dear diary")
    refused = run(folder, "backup", "copy.db", "--url", "sqlite:///q.db")
    assert refused.returncode == 2
    assert "exists: choose another name, or say --force" in refused.stderr
    assert (folder / "copy.db").read_text() == "dear diary"
    assert run(folder, "backup", "copy.db", "--force", "--url", "sqlite:///q.db").returncode == 0
    assert messages(folder / "copy.db")[0] == 50


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["q.db", "--force"], 2, "belongs to the database itself"),
        (["./q.db-wal"], 2, "belongs to the database itself"),
        (["link.db", "--force"], 2, "belongs to the database itself"),
        (["."], 2, "is a folder"),
        (["nowhere/copy.db"], 2, "there is no such folder"),
        (["used.db", "--force"], 2, "is in use"),
        (["copy.db", "--url", "sqlite:///none.db"], 3, "no such file"),
        (["copy.db", "--url", "sqlite:///text.db"], 3, "not a SQLite database"),
        (["copy.db", "--url", "memory://"], 2, "no file to copy"),
    ],
)
def test_what_cannot_be_copied_is_one_error_and_leaves_nothing(folder, words, code, says):
    (folder / "link.db").symlink_to("q.db")
    (folder / "text.db").write_text("some text that is no database at all\n" * 50)
    for name in ("used.db", "used.db-wal"):
        (folder / name).touch()
    before = names(folder)
    done = run(folder, "backup", *words, *([] if "--url" in words else ["--url", "sqlite:///q.db"]))
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert names(folder) - before <= {"text.db-wal", "text.db-shm"}
    assert messages(folder / "q.db")[0] == 50
