"""Small commits keep room ahead in the log: what does not make it longer is synced sooner."""

import signal
import subprocess
import sys

import pytest

from forebay.config import Settings
from forebay.engine.sqlite import frames, place
from forebay.engine.sqlite.ahead import AHEAD, LITTLE
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.ids import new_id
from forebay.model.message import Message

#: Publishes 18 messages one by one, under a limit for the size of each file, and is killed.
KILLED = """
import os, resource, signal, sys
from forebay import Forebay
app = Forebay(f"sqlite:///{sys.argv[1]}")
app.publish("q", b"first")
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
for number in range(17):
    app.publish("q", b"more")
print(os.path.getsize(sys.argv[1] + "-wal"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


class Opened:
    """An engine on a new file; how long its log is, and how much of that is in use."""

    def __init__(self, path, **options):
        self.engine = Sqlite(Settings(url=f"sqlite:///{path}", **options), SystemClock(), among=Files())
        self._path = path
        drive(self.engine.open())

    def publish(self, count=1, size=10):
        drive(self.engine.publish([Message(id=new_id(), queue="q", body=bytes(size)) for _ in range(count)]))

    def log(self):
        return self._path.with_name("q.db-wal").stat().st_size

    def used(self):
        with self._path.with_name("q.db-shm").open("rb") as file:
            return frames.index(file.fileno()).size()


@pytest.fixture
def opened(tmp_path):
    made = []

    def open_(**options):
        made.append(Opened(tmp_path / "q.db", **options))
        return made[-1]

    yield open_
    for one in made:
        drive(one.engine.close())


def test_small_commits_go_into_room_that_the_log_has_already(opened):
    one = opened()
    for _ in range(9):
        one.publish()
        if one.log() - one.used() >= AHEAD:
            break
    before, used = one.log(), one.used()
    for _ in range(3):
        one.publish()
    assert one.log() == before
    assert one.used() > used


def test_there_is_always_room_and_never_more_than_the_log_may_have(opened, tmp_path):
    one = opened()
    limit = place.disk(tmp_path / "q.db").log
    lacking = 0
    for _ in range(300):
        one.publish(size=20_000)
        lacking += one.log() == one.used()
        assert one.log() <= limit
    assert lacking < 10


def test_a_large_commit_makes_the_log_as_long_as_it_needs(opened):
    one = opened()
    for _ in range(3):
        one.publish(count=20, size=LITTLE // 10)
        assert one.log() == one.used()


def test_where_commits_are_not_synced_there_is_nothing_to_win(opened):
    one = opened(durability="normal")
    for _ in range(5):
        one.publish()
    assert one.log() == one.used()


@pytest.mark.parametrize("most", [0, 600_000], ids=["room enough", "no room for that much"])
def test_all_that_was_accepted_is_there_after_a_kill(tmp_path, most):
    path = tmp_path / "q.db"
    run = subprocess.run([sys.executable, "-c", KILLED, path, str(most)], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert int(run.stdout) == most or not most
    again = Opened(path)
    assert drive(again.engine.depth(["q"]))[0].ready == 18
    drive(again.engine.close())
