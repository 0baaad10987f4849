"""One file for several users, under one name: what the folder allows works, and what cannot work is told."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from faults import pythons
from forebay import Forebay, ForebayError
from forebay.config import Settings
from forebay.engine.sqlite.checkup import examine

PATIENCE = 120.0
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, and mount")
linux = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
#: Two users of group 33 on one file at a time. All is imported before, for they may not be able to read this Python.
TWO_USERS = """if 1:
    import os, sys
    from forebay import Forebay
    def use(path, pause=lambda: None):
        with Forebay(f"sqlite:///{path}") as app:
            for _ in range(5): app.publish("q", 1)
            pause()
            for _ in range(5): app.publish("q", 1)
            return app.queues("q")[0].ready
    def child(user, pause=lambda: None):
        if pid := os.fork(): return pid
        try:
            os.setgroups([]); os.setgid(33); os.setuid(user)
            print(use(sys.argv[1] + "/q.db", pause), flush=True)
            os._exit(0)
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
    use(sys.argv[1] + "/before.db")
    (heard, tell), (go, let_go) = os.pipe(), os.pipe()
    one = child(65534, lambda: (os.write(tell, b"x"), os.read(go, 1)))
    os.read(heard, 1)
    os.waitpid(child(33333), 0)
    os.write(let_go, b"x")
    os.waitpid(one, 0)
"""


def findings(path, check):
    found = [one for one in examine(Settings(url=f"sqlite:///{path}")) if one.check == check]
    return " ".join(f"{one.level} {one.text} {one.advice}" for one in found)


@root
def test_two_users_of_one_group_share_a_file_at_a_time_where_its_folder_says_so():
    folder = Path(tempfile.mkdtemp(prefix="forebay-test-"))  # pytest's own folders are closed to others
    try:
        os.chown(folder, 65534, 33)
        folder.chmod(0o2770)
        command = [sys.executable, "-c", TWO_USERS, folder]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert told.stdout.split() == ["15", "20"], told.stdout + told.stderr
        made = [folder / "q.db", *folder.glob("q.db-*")]
        assert {(entry.stat().st_gid, entry.stat().st_mode & 0o070) for entry in made} == {(33, 0o060)}
    finally:
        shutil.rmtree(folder)


@root
def test_a_file_that_is_mounted_by_itself_is_refused_under_its_second_name(tmp_path):
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish("q", 1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "q.db").touch()
    apart = ["unshare", "-m", "--propagation", "private", "sh", "-c"]
    mount = [*apart, "mount --bind q.db other/q.db"]
    if not shutil.which("unshare") or subprocess.run(mount, cwd=tmp_path, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    code = "from forebay import Forebay; Forebay('sqlite:///other/q.db').publish('q', 1)"
    script = 'mount --bind q.db other/q.db && "$0" -c "$1"; "$0" -m forebay doctor --url sqlite:///other/q.db'
    command = [*apart, script, sys.executable, code]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert "is mounted by itself, and has another name elsewhere: mount its folder" in told.stderr
    assert told.returncode == 3
    assert "is mounted by itself" in " ".join(told.stdout.split())
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:
        assert app.queues("q")[0].ready == 1


def test_doctor_says_that_a_file_has_two_names_and_which_to_delete(tmp_path):
    path = tmp_path / "q.db"
    with Forebay(f"sqlite:///{path}") as app:
        app.publish("q", 1)
    os.link(path, tmp_path / "other.db")
    text = findings(path, "file")
    assert text.startswith("fail")
    assert "has 2 names (hard links) keep one, delete the others" in text
    assert f"-inum {path.stat().st_ino}" in text


@linux
def test_doctor_names_the_process_whose_log_has_lost_its_name(tmp_path):
    path = tmp_path / "q.db"
    code = "import sys; from forebay import Forebay; app = Forebay('sqlite:///q.db'); app.publish('q', 1); "
    code += "print(flush=True); sys.stdin.read()"
    with pythons.talking(code, cwd=tmp_path) as process:
        assert process.stdout.readline() == "\n"
        assert "fail" not in findings(path, "database")
        Path(f"{path}-wal").unlink()
        text = findings(path, "database")
        assert text.startswith("fail")
        assert f"was deleted or replaced while process {process.pid} (python" in text
        assert "end that process first, in good order" in text
        process.communicate("", timeout=PATIENCE)
    assert findings(path, "database") == ""


@pytest.mark.parametrize("how", ["replaced", "overwritten"])
def test_an_app_that_is_opened_again_knows_nothing_of_the_file_that_was_there_before(tmp_path, how):
    path, copy = tmp_path / "q.db", tmp_path / "copy.db"
    app = Forebay(f"sqlite:///{path}")
    with Forebay(f"sqlite:///{copy}") as other:
        other.publish("other", 1)
    with app:
        app.publish("q", 1)
    for suffix in ("-lock", "-mark"):
        Path(f"{path}{suffix}").unlink()
    if how == "replaced":
        copy.replace(path)
    else:
        path.write_bytes(copy.read_bytes())
    with app:
        app.publish("q", 2)
        assert {depth.queue: depth.ready for depth in app.queues()} == {"q": 1, "other": 1}


def test_two_apps_on_one_file_are_told_alike_when_it_cannot_be_opened(tmp_path):
    (tmp_path / "q.db").write_text("no database")
    for _ in range(2):
        with pytest.raises(ForebayError, match="not a SQLite database"):
            Forebay(f"sqlite:///{tmp_path}/q.db").publish("q", 1)
