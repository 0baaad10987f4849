"""The write lock when whoever holds it does not let go: nobody hangs with it, and everybody learns who it is."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fleet import until
from forebay.config import Settings
from forebay.engine.contract import Beat, Fate
from forebay.engine.sqlite import lock, writer
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.sqlite.sharing import Files
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineUnreachable
from forebay.model.ids import new_id
from forebay.model.message import Message
from forebay.testing import ManualClock

HOLD = (
    "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); input()"
)


@pytest.fixture
def engine(tmp_path):
    opened = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db"), SystemClock())
    drive(opened.open())
    yield opened
    drive(opened.close())


@pytest.fixture
def holder(engine, tmp_path, monkeypatch):
    """A process that holds the lock and was stopped; others are patient for a moment only."""
    monkeypatch.setattr(lock, "PATIENCE", 0.2)
    command = [sys.executable, "-c", HOLD, f"{tmp_path}/q.db-lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process
        process.kill()


def another(folder):
    """An engine as another process would have it."""
    return Sqlite(Settings(url=f"sqlite:///{folder}/q.db"), SystemClock(), among=Files())


def publish(engine):
    return drive(engine.publish([Message(id=new_id(), queue="q", body=b"\x80")]))


def is_free(path):
    with path.open() as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
def test_whoever_waits_for_a_frozen_process_is_told_which_one(engine, holder, tmp_path):
    name = rf"process {holder.pid} \(python[^)]*, stopped\) holds its write lock"
    with pytest.raises(EngineUnreachable, match=name):
        publish(engine)
    with pytest.raises(EngineUnreachable, match=name):
        drive(another(tmp_path).open())


def test_when_it_lets_go_everything_works_and_nothing_that_was_refused_is_there(engine, holder, tmp_path):
    for _ in range(3):
        with pytest.raises(EngineUnreachable):
            publish(engine)
    holder.send_signal(signal.SIGCONT)
    holder.communicate("\n")
    assert [receipt.fate for _ in range(100) for receipt in publish(engine)] == [Fate.ACCEPTED] * 100
    assert drive(engine.depth(["q"]))[0].published == 100
    assert is_free(tmp_path / "q.db-lock")


def test_whoever_is_interrupted_while_waiting_leaves_no_lock_behind(engine, holder, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 60.0)

    def interrupt():
        until(lambda: engine._db.writer._turn._lock._stand_in.waits, "it to wait for the lock")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the other thread may be the quicker one
        threading.Thread(target=interrupt).start()
        publish(engine)
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 60
    while not is_free(tmp_path / "q.db-lock"):
        assert time.monotonic() < deadline, "it came to nobody, and nobody let go"
        time.sleep(0.01)


def test_a_place_in_the_line_that_nobody_wants_any_more_blocks_nobody(engine, holder, tmp_path):
    with pytest.raises(EngineUnreachable):
        publish(engine)
    holder.kill()
    holder.wait()
    other = another(tmp_path)
    drive(other.open())
    assert [receipt.fate for receipt in publish(other)] == [Fate.ACCEPTED]
    drive(other.close())


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("os.dup", OSError(errno.EMFILE, "none left")),
        ("threading.Thread.start", RuntimeError("can't start new thread")),
    ],
)
def test_whoever_cannot_even_wait_for_lack_of_room_waits_the_next_time(engine, holder, monkeypatch, what, error):
    """No descriptor or thread left, at the first time that the lock is not free: nothing is held up by that later."""
    with monkeypatch.context() as full:

        def none_left(*_args):
            raise error

        full.setattr(what, none_left)
        with pytest.raises(EngineUnreachable, match=r"raise (`ulimit -n`|the limit)"):
            publish(engine)
    holder.kill()
    holder.wait()
    assert [receipt.fate for receipt in publish(engine)] == [Fate.ACCEPTED]


def test_leases_that_nobody_could_renew_while_somebody_held_the_lock_hold_on(tmp_path, monkeypatch):
    """Be the holder stopped, or its interpreter held by code in C: the workers of all others live."""
    monkeypatch.setattr(writer, "STALL", 0.0)
    clock, settings = ManualClock(), Settings(url=f"sqlite:///{tmp_path}/q.db")
    one, two = Sqlite(settings, clock), Sqlite(settings, clock, among=Files())
    drive(one.open())
    drive(two.open())
    beat = Beat(worker="w", lease=5.0, host="here", pid=1)
    drive(one.extend([beat]))
    with open(f"{tmp_path}/q.db-lock", "rb") as file:  # noqa: PTH123
        fcntl.flock(file, fcntl.LOCK_EX)
        waiter = threading.Thread(target=publish, args=(two,))
        waiter.start()
        until(lambda: two._db.writer._turn._lock._stand_in.waits, "somebody to wait for the lock")
        clock.advance(20)
        fcntl.flock(file, fcntl.LOCK_UN)
        waiter.join(60)
    assert not drive(two.recover([])).workers
    assert drive(one.extend([beat])) == [True]
    clock.advance(20)
    monkeypatch.undo()
    assert list(drive(two.recover([])).workers) == ["w"], "without such a reason it is lost"
    drive(two.close())
    drive(one.close())
