"""A file is what lies in it, not what it is called: renamed, overwritten, or its log cut short, live or not."""

import os
import shutil
from pathlib import Path

import apsw
import pytest

import starts
from faults import pythons
from forebay import Forebay, ForebayError
from forebay.engine.sqlite import frames

PATIENCE = 120.0
#: Publishes as many as it is told; ends as it is told: "kill", or in good order after a line.
PUBLISH = """
import os, sys
from forebay import Forebay, ForebayError
with Forebay("sqlite:///" + sys.argv[1]) as app:
    app.publish("q", 0)
    for _ in range(int(sys.argv[2]) - 1): app.publish("q", "x" * 300)
    print("accepted", flush=True)
    if sys.argv[3] == "kill": os.kill(os.getpid(), 9)
    while sys.stdin.readline() == "more\\n":
        try: print(app.publish("q", 1) and "accepted", flush=True)
        except ForebayError as error: print(type(error).__name__, error, flush=True)
"""


def killed(path, count):
    """A process that publishes and is killed, so that its log stays."""
    done = pythons.run(PUBLISH, path, count, "kill")
    assert done.stdout == "accepted\n", done.stderr


@pytest.fixture
def live(tmp_path):
    """Starts a process that has published 50 and has the file open."""
    started = []

    def start():
        one = pythons.Talking(PUBLISH, tmp_path / "q.db", 50, "stay")
        started.append(one)
        assert one.stdout.readline() == "accepted\n"
        return one

    yield start
    for one in started:
        pythons.over(one)


def more(process):
    process.stdin.write("more\n")
    process.stdin.flush()
    return process.stdout.readline()


def ready(path):
    with Forebay(f"sqlite:///{path}") as app:
        return app.queues("q")[0].ready


def refusal(path):
    with pytest.raises(ForebayError) as told:
        Forebay(f"sqlite:///{path}").publish("q", 1)
    return str(told.value)


def whole(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.pragma("integrity_check") == "ok"
    finally:
        db.close()


def forebay(*words):
    return starts.run([*map(str, words)], Path.cwd(), os.environ, PATIENCE)


def fold_in(path):
    """Another program works the log off, and leaves an empty one."""
    code = f"import os, sqlite3; sqlite3.connect({str(path)!r}).execute('pragma wal_checkpoint(truncate)'); os._exit(0)"
    pythons.done(code)


@pytest.mark.parametrize("new", ["other.db", "folder/q.db"])
@pytest.mark.parametrize("how", ["rename", "link"])
def test_a_file_renamed_alone_under_a_process_gets_all_that_was_accepted_when_that_ends(tmp_path, live, new, how):
    (tmp_path / "folder").mkdir()
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish("q", 1)
    process, path = live(), tmp_path / new
    if how == "rename":
        (tmp_path / "q.db").rename(path)
    else:
        os.link(tmp_path / "q.db", path)
        (tmp_path / "q.db").unlink()
    assert "end that process first" in refusal(path)
    _, said = process.communicate("", timeout=PATIENCE)
    if how == "link" and new == "folder/q.db":  # nothing tells where it is; so its log is left, and nothing is lost
        assert "not saved" in said
        return
    assert f"it was renamed to {path} while it was open; all it held is saved" in said
    assert ready(path) == 51
    assert whole(path)


def test_what_another_program_went_on_with_under_the_new_name_is_not_overwritten(tmp_path, live):
    process, path = live(), tmp_path / "other.db"
    (tmp_path / "q.db").rename(path)
    code = """if 1:
        import sqlite3, sys
        db = sqlite3.connect(sys.argv[1], isolation_level=None)
        db.execute("create table theirs (a)")
        for n in range(100): db.execute("insert into theirs values (?)", ["z" * 300])
    """
    pythons.done(code, path)
    _, said = process.communicate("", timeout=PATIENCE)
    assert f"the file is {path} now, and its log {tmp_path}/q.db-wal" in said
    assert whole(path)
    db = apsw.Connection(str(path))
    assert db.execute("select count(*) from theirs").get == 100
    db.close()


def test_a_file_renamed_alone_after_its_processes_were_killed_is_refused_until_its_log_follows(tmp_path):
    killed(tmp_path / "q.db", 50)
    (tmp_path / "q.db").rename(tmp_path / "other.db")
    text = refusal(tmp_path / "other.db")
    assert f"mv '{tmp_path}/q.db-wal' '{tmp_path}/other.db-wal'" in text
    (tmp_path / "q.db-wal").rename(tmp_path / "other.db-wal")
    assert ready(tmp_path / "other.db") == 50


@pytest.mark.parametrize("how", ["copy", "replace"])
@pytest.mark.parametrize("sort", ["backup", "plain"])
def test_an_older_copy_laid_over_the_file_is_refused_while_the_log_of_the_newer_one_is_there(tmp_path, how, sort):
    path, copy = tmp_path / "q.db", tmp_path / "copy.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish_many("q", ["x" * 300] * 20)
    if sort == "backup":
        assert forebay("backup", copy, "--url", f"sqlite:///{path}").returncode == 0
    else:
        shutil.copy(path, copy)
    killed(path, 200)
    fold_in(path)
    killed(path, 50)
    newer = path.read_bytes()
    if how == "copy":
        path.write_bytes(copy.read_bytes())
    else:
        copy.replace(path)
    for _ in range(2):
        assert "q.db-wal is the log of another state of it and would be mixed into it" in refusal(path)
    found = forebay("doctor", "--url", f"sqlite:///{path}")
    assert found.returncode == 3
    assert "log of another state of it" in " ".join(found.stdout.split())
    assert "nothing is missing" not in found.stdout
    path.write_bytes(newer)  # put back, all is there
    if how == "copy":
        assert ready(path) == 270


def test_after_the_advice_was_followed_the_older_copy_is_used(tmp_path):
    path, copy = tmp_path / "q.db", tmp_path / "copy.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish_many("q", ["x" * 300] * 20)
    shutil.copy(path, copy)
    killed(path, 200)
    fold_in(path)
    killed(path, 50)
    path.write_bytes(copy.read_bytes())
    assert "delete q.db-wal and q.db-mark to go on with what is there" in refusal(path)
    for suffix in ("-wal", "-mark"):
        Path(f"{path}{suffix}").unlink()
    assert ready(path) == 20


def test_two_states_of_a_file_differ_though_no_page_was_added_between_them(tmp_path):
    path, copy = tmp_path / "q.db", tmp_path / "copy.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish_many("q", ["x" * 300] * 20)
    shutil.copy(path, copy)
    killed(path, 3)
    fold_in(path)
    killed(path, 1)
    path.write_bytes(copy.read_bytes())
    assert "was overwritten" in refusal(path)


def test_a_log_worked_off_by_anybody_at_any_time_is_still_the_files(tmp_path):
    path = tmp_path / "q.db"
    for _ in range(3):
        killed(path, 100)
        code = f"import os, sqlite3; sqlite3.connect({str(path)!r}).execute('pragma wal_checkpoint'); os._exit(0)"
        pythons.done(code)  # the log stays as it is
        killed(path, 10)
    assert ready(path) == 330
    assert whole(path)


def test_a_file_overwritten_under_a_process_is_told_and_nothing_more_is_written(tmp_path, live):
    path, copy = tmp_path / "q.db", tmp_path / "copy.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish("q", 1)
    shutil.copy(path, copy)
    killed(path, 100)
    fold_in(path)
    process = live()
    path.write_bytes(copy.read_bytes())
    for _ in range(2):
        assert "q.db was overwritten while it was open: nothing more is written" in more(process)
    _, said = process.communicate("", timeout=PATIENCE)
    assert "not saved" in said
    assert path.read_bytes() == copy.read_bytes()


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_log_cut_short_under_a_process_is_told_before_the_next_answer_and_never_as_a_shorter_queue(
    tmp_path, live, part
):
    process, log = live(), tmp_path / "q.db-wal"
    with (tmp_path / "q.db-shm").open("rb") as index:  # behind what it says there may be room, which nobody misses
        os.truncate(log, int(frames.index(index.fileno()).size() * part))
    for _ in range(2):
        assert "q.db-wal was cut short while it was open: nothing more is written" in more(process)
    _, said = process.communicate("", timeout=PATIENCE)
    assert "not saved" in said
    assert "messages accepted or ended are missing" in refusal(tmp_path / "q.db")


def test_a_log_that_is_worked_off_and_begins_again_is_no_cut(tmp_path, live):
    process = live()
    for _ in range(5):
        fold_in(tmp_path / "q.db")  # by another program, which cuts it as it may
        assert more(process) == "accepted\n"
    process.communicate("", timeout=PATIENCE)
    assert ready(tmp_path / "q.db") == 55
