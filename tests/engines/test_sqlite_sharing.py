"""One file, one process, many apps: they share what is open, and the locks that keep it whole are never dropped."""

import asyncio
import fcntl
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from forebay import EngineError, EngineFull, Forebay
from forebay.cli import main
from forebay.engine.sqlite import Sqlite
from forebay.engine.sqlite.guard import key_of
from forebay.engine.waiting import drive
from forebay.testing import ManualClock

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "q.db"


@pytest.fixture
def hurried():
    """Threads that take turns at nearly every step."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def app(path, **ways):
    return Forebay(f"sqlite:///{path}", **ways)


def close(*apps):
    for one in apps:
        asyncio.run(one.close())


def ready(one):
    return drive(one.engine.depth(["q"]))[0].ready


def descriptors(path):
    """How many descriptors of this process are one of the database's files."""
    found = 0
    for entry in Path("/dev/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith(str(path))
        except OSError:
            continue
    return found


def locked(path):
    """Whether this process has the locks of SQLite on database and shared memory, as the kernel says."""
    mine = set()
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "POSIX" and words[4] == str(os.getpid()):
            mine.add(int(words[5].rsplit(":", 1)[1]))
    return {key_of(path).inode, key_of(f"{path}-shm").inode} <= mine


def test_two_apps_on_one_file_share_what_is_open_and_the_last_to_close_closes_it(path):
    one, two = app(path), app(path)
    one.publish("q", 1)
    alone = descriptors(path)
    two.publish("q", 2)
    assert descriptors(path) == alone
    assert ready(one) == ready(two) == 2
    close(one)
    two.publish("q", 3)
    assert ready(two) == 3
    close(two)
    assert descriptors(path) == 0
    assert not Path(f"{path}-wal").exists()


def test_an_app_that_was_closed_is_closed_though_another_one_has_the_file_open(path):
    one, two = Sqlite(app(path).settings, app(path).clock), app(path)
    two.publish("q", 1)
    drive(one.open())
    drive(one.close())
    with pytest.raises(EngineError, match="not open"):
        drive(one.depth())
    close(two)


def test_a_link_to_a_file_is_the_same_file(path, tmp_path):
    (tmp_path / "link.db").symlink_to(path)
    one, two = app(path), app(tmp_path / "link.db")
    one.publish("q", 1)
    two.publish("q", 2)
    assert ready(one) == 2
    assert {file.name for file in tmp_path.iterdir()} == {"link.db", "q.db", *(f"q.db-{x}" for x in COMPANIONS)}
    close(one, two)


COMPANIONS = ("lock", "mark", "wal", "shm")


@linux
def test_after_every_call_the_locks_on_the_file_are_still_there(path, capsys, monkeypatch):
    monkeypatch.setenv("FOREBAY_URL", f"sqlite:///{path}")
    one, two = app(path), app(path, max_size=10_000_000)

    @one.task
    def double(n: int) -> int:
        return 2 * n

    async def aio():
        await double.aenqueue(2)
        async with two:
            await two.apublish("q", 1)

    calls = [
        lambda: double.enqueue(1),
        lambda: double.enqueue_many([(1,), (2,)]),
        lambda: one.publish("q", 1).status(),
        lambda: double.using(delay=60, unique="k").enqueue(2).cancel(),
        lambda: two.publish("q", 2),
        lambda: asyncio.run(aio()),
        lambda: two.publish("q", 2),
        lambda: ready(two),
        lambda: close(two),
        lambda: app(path).publish("q", 3) and gc.collect(),
        *[lambda words=words: main(words) for words in LOOKS],
    ]
    one.publish("q", 0)
    for number, call in enumerate(calls):
        call()
        assert locked(path), f"call {number} dropped them"
    capsys.readouterr()
    close(one)


LOOKS = (["queues"], ["doctor"], ["messages"], ["migrate"], ["migrate", "--check"], ["workers"], ["schedules"])


def test_apps_that_are_dropped_are_closed_and_leave_no_descriptor_and_no_thread(path, tmp_path):
    def use(file):
        one = app(file)

        @one.task
        def nothing() -> None: ...

        nothing.enqueue()

    threads, before = set(threading.enumerate()), len(list(Path("/dev/fd").iterdir()))
    for number in range(10):
        use(path)
        use(tmp_path / f"{number % 3}.db")
    gc.collect()
    assert descriptors(tmp_path) == 0
    assert not [one for one in threading.enumerate() if one not in threads and one.name.startswith("forebay")]
    assert len(list(Path("/dev/fd").iterdir())) == before
    again = app(path)
    again.publish("q", 1)
    assert ready(again) == 1
    close(again)


def test_the_stricter_durability_holds_for_both(path):
    quick, safe = app(path, durability="normal"), app(path, durability="full")
    quick.publish("q", 1)
    synced = lambda one: one.backend.engine._db.writer._db.pragma("synchronous")
    assert synced(quick) == 1
    safe.publish("q", 2)
    assert synced(quick) == 2
    close(safe, quick)


def test_each_app_has_its_own_limit_of_size(path):
    small, large = app(path, max_size=200_000), app(path)
    with pytest.raises(EngineFull):
        small.publish_many("q", ["x" * 1000] * 1000)
    large.publish_many("q", ["x" * 1000] * 1000)
    with pytest.raises(EngineFull):
        small.publish("q", "x" * 10_000)
    close(small, large)


def test_one_file_has_one_clock(path):
    one, two = app(path), app(path, clock=ManualClock())
    one.publish("q", 1)
    with pytest.raises(EngineError, match="another clock"):
        two.publish("q", 1)
    close(one)
    two.publish("q", 1)
    close(two)


def test_apps_that_open_and_close_one_file_in_many_threads_lose_nothing(path):
    def use():
        for _ in range(15):
            one = app(path, durability="normal")
            one.publish("q", 1)
            close(one)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert descriptors(path) == 0
    with app(path) as one:
        assert ready(one) == 60


def test_of_files_that_are_closed_in_many_threads_each_descriptor_is_closed_once(tmp_path, monkeypatch, hurried):
    """A second time it might be the number of another file, whose locks would go with it."""
    close_one, wrong = os.close, []

    def watched(fd):
        try:
            close_one(fd)
        except OSError:
            wrong.append(fd)
            raise

    def use(number):
        for round_ in range(5):
            with app(tmp_path / f"{number}-{round_}.db"):
                pass

    monkeypatch.setattr(os, "close", watched)
    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert descriptors(tmp_path) == 0


@linux
def test_a_connection_of_apsw_beside_us_keeps_its_locks_when_we_close(path):
    one = app(path)
    one.publish("q", 1)
    theirs = apsw.Connection(str(path))
    assert theirs.execute("select count(*) from message").get == 1
    close(one)
    assert locked(path)
    one.publish("q", 2)  # and we may come back
    assert theirs.execute("select count(*) from message").get == 2
    theirs.close()
    close(one)
    assert descriptors(path) == 0


#: Opens an app, forks, and lets the child try the same file by another app; then the same once it was closed.
FORK = """
import asyncio, os, sys
from forebay import Forebay, ForebayError
url = f"sqlite:///{sys.argv[1]}"
app = Forebay(url)
app.publish("q", 1)
def child():
    try:
        print(Forebay(url).publish("q", 2) and "accepted", flush=True)
    except ForebayError as error:
        print(error, flush=True)
    os._exit(0)
for close in (False, True):
    if close:
        asyncio.run(app.close())
    if os.fork() == 0:
        child()
    os.wait()
    app.publish("q", 3)
"""


def test_what_was_open_at_a_fork_is_refused_to_other_apps_of_the_child(path):
    told = subprocess.run([sys.executable, "-c", FORK, path], capture_output=True, text=True, check=True).stdout
    refused, accepted = told.splitlines()
    assert "locks do not cross a fork: fork first, or close the app before" in refused
    assert accepted == "accepted"
    with app(path) as one:
        assert ready(one) == 4


def test_a_child_that_outlives_its_parent_holds_none_of_its_locks(path):
    code = """if 1:
        import os, sys
        from forebay import Forebay
        app = Forebay(f"sqlite:///{sys.argv[1]}")
        app.publish("q", 1)
        if os.fork() == 0:
            print("child", flush=True)
            sys.stdin.read()
            os._exit(0)
        os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "child\n"
        process.wait(60)
        with open(path, "rb+") as file:  # noqa: PTH123 - nobody here has it open
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        one = app(path)
        one.publish("q", 2)
        assert ready(one) == 2
        close(one)
        assert not Path(f"{path}-wal").exists()
        process.communicate("")
