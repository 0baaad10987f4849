"""T11 and the rows about files in "bad input": what is lost or cannot work is said loudly, and never made worse."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

import starts
from faults import pythons
from fleet import Place, until
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import Sqlite, place
from forebay.engine.waiting import drive
from forebay.model.errors import EngineUnreachable, SchemaTooNew
from forebay.model.message import Message
from forebay.testing.clock import ManualClock

PATIENCE = 120.0
COUNT = 100
#: Publishes one by one, says so, and waits to be killed.
PUBLISHER = f"""
import os, sys, time
from forebay import Forebay
app = Forebay("sqlite:///" + sys.argv[1], durability=sys.argv[2])
for number in range({COUNT}):
    app.publish("mail", {{"number": number}})
    time.sleep(0.006)
print("published", flush=True)
sys.stdin.read()
"""


def engine_at(path, clock=None, boot="", **settings):
    return Sqlite(Settings(url=f"sqlite:///{path}", **settings), clock or ManualClock(), boot=boot)


def opened(path, clock=None, boot="", **settings):
    engine = engine_at(path, clock, boot, **settings)
    drive(engine.open())
    return engine


def refusal(path):
    """The error of an opening that must fail, in one line."""
    with pytest.raises(EngineUnreachable) as caught:
        opened(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def publish(engine, *names):
    drive(engine.publish([Message(id=name.encode().hex().zfill(32), queue="mail", body=b"\x01") for name in names]))


def ready(path):
    """Open what is there: how many messages wait."""
    engine = opened(path)
    depths = drive(engine.depth(["mail"]))
    drive(engine.close())
    return depths[0].ready if depths else 0


def copied(place, folder):
    """All files of a database, elsewhere."""
    for file in place.glob("f.db*"):
        if file.is_file():
            shutil.copy(file, folder / file.name)
    return folder / "f.db"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The files of a process that published 100 messages, one commit each, and was killed with them in its log."""
    return publish_and_kill(tmp_path_factory.mktemp("killed"), "full")


def publish_and_kill(folder, durability):
    with pythons.talking(PUBLISHER, folder / "f.db", durability) as process:
        assert process.stdout.readline() == "published\n"
    return folder


# ── the high-water mark ───────────────────────────────────────────────────────────────────────────


def test_after_a_kill_everything_is_there_and_nothing_is_alarmed(killed, tmp_path):
    assert ready(copied(killed, tmp_path)) == COUNT


def flip_a_bit(log):
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)


def cut_in_half(log):
    os.truncate(log, log.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flip_a_bit, cut_in_half, Path.unlink])
def test_a_log_that_was_damaged_cut_or_deleted_is_an_alarm_and_not_a_shorter_queue(killed, tmp_path, damage):
    path = copied(killed, tmp_path)
    damage(tmp_path / "f.db-wal")
    text = refusal(path)
    assert "messages accepted or ended are missing" in text
    assert "delete f.db-mark" in text
    refusal(path)  # and it stays one until somebody decides
    (tmp_path / "f.db-mark").unlink()
    assert ready(path) < COUNT


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 0)])
def test_a_database_that_vanished_or_was_emptied_is_an_alarm_and_not_a_new_one(tmp_path, damage):
    path = tmp_path / "f.db"
    engine = opened(path)
    publish(engine, "a", "b")
    drive(engine.close())
    damage(path)
    assert "2 of 2 messages accepted or ended are missing" in refusal(path)
    assert not path.exists() or not path.stat().st_size  # nothing was put in its place


def test_an_older_copy_is_noticed_and_taken_once_the_mark_is_deleted(tmp_path):
    path = tmp_path / "f.db"
    engine = opened(path)
    publish(engine, "a")
    drive(engine.close())
    older = path.read_bytes()
    engine = opened(path)
    publish(engine, "b")
    drive(engine.close())
    path.write_bytes(older)
    assert "1 of 2 messages" in refusal(path)
    (tmp_path / "f.db-mark").unlink()
    assert ready(path) == 1


def test_a_mark_that_is_rubbish_or_gone_stops_nobody(tmp_path):
    path = tmp_path / "f.db"
    engine = opened(path)
    publish(engine, "a")
    drive(engine.close())
    for rubbish in (b"", b"x", os.urandom(1000)):
        (tmp_path / "f.db-mark").write_bytes(rubbish)
        assert ready(path) == 1
    (tmp_path / "f.db-mark").unlink()
    assert ready(path) == 1


def test_at_normal_durability_a_restart_of_the_host_may_cost_the_newest_and_says_how_many(tmp_path, caplog):
    killed = publish_and_kill(tmp_path, "normal")
    flip_a_bit(killed / "f.db-wal")
    path = killed / "f.db"
    assert "messages accepted or ended are missing" in refusal(path)  # this host was not restarted: it must be there
    with caplog.at_level(logging.WARNING):
        engine = opened(path, boot="another start of the host", durability="normal")
    assert "were lost with the power, as durability=normal allows" in caplog.text
    drive(engine.close())
    drive(opened(path, boot="another start of the host").close())  # it has been said


def test_processes_that_open_while_others_publish_never_alarm_anybody(tmp_path):
    path, clock = tmp_path / "f.db", ManualClock()
    first = opened(path, clock)
    for number in range(20):  # the clock stands still, so the first one owes the mark what it publishes
        publish(first, f"a{number}")
        other = opened(path, clock)
        publish(other, f"b{number}")
        drive(other.close())
    drive(first.close())
    assert ready(path) == 40


#: Publishes without end, says "yes" after each, and opens the file anew now and then.
RESTLESS = """
import asyncio, sys
from forebay import Forebay
while True:
    app = Forebay("sqlite:///" + sys.argv[1], durability="normal")
    for _ in range(20):
        app.publish("mail", 1)
        print("yes", flush=True)
    asyncio.run(app.close())
"""


def test_processes_killed_at_any_moment_leave_a_mark_that_is_never_ahead(tmp_path):
    path, acknowledged = tmp_path / "f.db", 0
    for number, publishes in enumerate((1, 30), start=1):
        heard = [tmp_path / f"heard-{number}-{one}" for one in range(3)]
        acknowledged += kill_publishers(path, heard, publishes)
        assert acknowledged <= ready(path) <= acknowledged + number * len(heard)  # one each may be on its way


def kill_publishers(path, heard, publishes):
    """Let as many processes publish, each at least so often, and kill them; how often they were told yes."""
    crowd = []
    try:
        for file in heard:
            with file.open("w") as out:
                streams = 0, out.fileno(), 2
                crowd.append(starts.Started(["-c", RESTLESS, str(path)], streams, file.parent, os.environ, python=()))
        until(lambda: min(len(file.read_text().split()) for file in heard) >= publishes, "publishes")
    finally:
        for process in crowd:
            process.kill()
        for process in crowd:
            process.wait(PATIENCE)
    return sum(len(file.read_text().split()) for file in heard)


def test_doctor_tells_what_the_mark_knows(killed, tmp_path):
    path = copied(killed, tmp_path)
    cut_in_half(tmp_path / "f.db-wal")
    words = ["doctor", "--url", f"sqlite:///{path}", "-o", "ndjson"]
    answer = starts.run(words, tmp_path, os.environ, PATIENCE)
    assert answer.returncode in (3, 4), answer.stderr
    findings = {one["check"]: one for one in map(json.loads, answer.stdout.splitlines())}
    assert findings["mark"]["level"] == "fail"
    assert "are missing" in findings["mark"]["text"]
    assert "f.db-mark" in findings["mark"]["advice"]


# ── files that are not what they should be ────────────────────────────────────────────────────────


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "f.db"
    drive(opened(path).close())
    db = apsw.Connection(str(path))
    db.pragma("user_version", 999)
    db.close()
    with pytest.raises(SchemaTooNew, match=r"has schema 999, this Forebay knows up to .* upgrade Forebay"):
        opened(path)
    db = apsw.Connection(str(path))
    assert db.pragma("user_version") == 999
    db.close()


@pytest.mark.parametrize("content", [b"hello, this is a letter\n" * 100, os.urandom(5000), b"SQLite format 3\0", b"x"])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "f.db"
    path.write_bytes(content)
    assert "it is not a SQLite database; choose another path" in refusal(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "f.db"
    db = apsw.Connection(str(path))
    db.execute("create table diary (entry text)")
    db.close()
    before = path.read_bytes()
    assert "is a database of another program; choose another path" in refusal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("part", [0.9, 0.5, 0.1])
def test_a_database_that_was_copied_half_is_refused(tmp_path, part):
    path = tmp_path / "f.db"
    engine = opened(path)
    publish(engine, *(f"a{number}" for number in range(2000)))
    drive(engine.close())
    half = tmp_path / "elsewhere" / "f.db"
    half.parent.mkdir()
    half.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert "bytes are there: was it copied half, or without its -wal?" in refusal(half)


def test_a_database_copied_with_its_mark_but_without_its_log_is_refused(killed, tmp_path):
    for name in ("f.db", "f.db-mark"):
        shutil.copy(killed / name, tmp_path / name)
    assert "are missing" in refusal(tmp_path / "f.db")


def test_an_empty_file_is_a_new_database(tmp_path):
    (tmp_path / "f.db").touch()
    assert ready(tmp_path / "f.db") == 0


def test_the_log_of_another_database_is_not_mixed_into_a_new_file(tmp_path):
    path = tmp_path / "f.db"
    publish_and_kill(tmp_path, "full")
    log = (tmp_path / "f.db-wal").read_bytes()
    other = tmp_path / "other.db"
    drive(opened(other).close())
    other.rename(path)
    text = refusal(path)
    assert "f.db-wal is the log of another state of it and would be mixed into it" in text
    assert (tmp_path / "f.db-wal").read_bytes() == log
    for name in ("f.db-wal", "f.db-mark"):
        (tmp_path / name).unlink()
    assert ready(path) == 0


# ── places that cannot work ───────────────────────────────────────────────────────────────────────


def test_a_folder_is_not_a_file(tmp_path):
    assert "it is a folder: name a file in it" in refusal(tmp_path)


def test_a_missing_folder_is_not_made_up(tmp_path):
    assert "there is no such folder: create it first" in refusal(tmp_path / "nowhere" / "f.db")


def test_a_file_on_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    assert "a part of its path is a file" in refusal(tmp_path / "file" / "f.db")


def test_a_path_too_long_for_sqlite_is_said_to_be_too_long(tmp_path):
    deep = tmp_path
    while len(str(deep)) < 520:
        deep /= "a-folder-with-a-long-name"
    deep.mkdir(parents=True)
    assert "is too long for SQLite" in refusal(deep / "f.db")
    assert "too long" in refusal(tmp_path / ("x" * 300))


#: Opens one database as it is, so that everything is loaded, and another as a user to whom file modes mean something.
AS_ANOTHER_USER = """
import asyncio, os, sys
from forebay import Forebay
from forebay.model.errors import EngineUnreachable
async def use(path):
    async with Forebay("sqlite:///" + path) as app:
        await app.apublish("mail", 1)
asyncio.run(use(sys.argv[1]))
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    asyncio.run(use(sys.argv[2]))
except EngineUnreachable as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_or_folder_that_may_only_be_read_is_refused(tmp_path, what):
    shared = tmp_path / "shared"
    shared.mkdir()
    path = shared / "f.db"
    drive(opened(path).close())
    for file in shared.iterdir():
        file.chmod(0o444 if what == "file" else 0o666)
    shared.chmod(0o777 if what == "file" else 0o555)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and "pytest" in parent.name:
            parent.chmod(0o755)
    command = [sys.executable, "-c", AS_ANOTHER_USER, str(tmp_path / "warm.db"), str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    shared.chmod(0o755)
    assert answer.stdout.splitlines() == [answer.stdout.strip()], answer.stderr
    assert "this user may not write there: give it write access to the file and its folder" in answer.stdout


def test_a_read_only_disk_is_refused(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this user may not mount: {mounted.stderr.strip()}")
    try:
        assert "its file system is read-only: choose another path" in refusal(folder / "f.db")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


MOUNTS = """\
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 24 0:29 / /home rw,relatime shared:2 master:3 - nfs4 filer:/export/home rw,vers=4.2
32 31 254:1 / /home/local rw - xfs /dev/vdb rw
33 24 0:30 / /mnt/with\\040space rw - cifs //server/share rw
34 24 0:31 / /shared rw - 9p host rw
35 24 0:32 / /mnt/caf\303\251 rw - fuse.sshfs me@host: rw
36 24 0:33 / /over rw - nfs filer:/over rw
37 24 0:34 / /over rw - tmpfs tmpfs rw
broken line
""".encode("latin-1").decode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/f.db", "ext4"),
        ("/home/ann/f.db", "nfs4"),
        ("/home/local/f.db", "xfs"),
        ("/homework/f.db", "ext4"),
        ("/mnt/with space/f.db", "cifs"),
        ("/mnt/café/f.db", "fuse.sshfs"),
        ("/over/f.db", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_innermost_newest_mount(path, kind):
    assert place.file_system(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused_and_a_shared_folder_is_worth_a_word(caplog):
    with pytest.raises(EngineUnreachable, match=r"nfs4, a network file system.*move it to a disk of this host"):
        place.check(Path("/home/ann/f.db"), MOUNTS)
    place.check(Path("/home/local/f.db"), MOUNTS)
    assert not caplog.records
    place.check(Path("/shared/f.db"), MOUNTS)
    assert "a folder shared with the host of a virtual machine" in caplog.text


def test_the_mounts_of_this_host_are_read_as_they_are(tmp_path):
    folder, bound = tmp_path / "a disk", tmp_path / "bound"
    (folder).mkdir()
    bound.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "nfs:/looks/like", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this user may not mount: {mounted.stderr.strip()}")
    try:
        (folder / "inner").mkdir()
        subprocess.run(["mount", "--bind", str(folder / "inner"), str(bound)], check=True)
        try:
            assert place.file_system(folder / "f.db") == place.file_system(bound / "f.db") == "tmpfs"
            assert place.file_system(tmp_path / "f.db") != "nfs"
        finally:
            subprocess.run(["umount", "--lazy", str(bound)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_file_by_two_names_is_one_database_with_one_mark(tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "f.db")
    clock = ManualClock()
    first, second = opened(tmp_path / "f.db", clock), opened(link, clock)
    publish(first, "a")
    publish(second, "b")
    assert drive(first.depth())[0].ready == drive(second.depth())[0].ready == 2
    for engine in (first, second):
        drive(engine.close())
    assert {file.name for file in tmp_path.iterdir() if "mark" in file.name or "lock" in file.name} == {
        "f.db-mark", "f.db-lock",
    }  # fmt: skip


def test_a_program_may_change_its_folder_while_a_relative_path_is_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock = ManualClock()
    engine = opened("f.db", clock)
    publish(engine, "a")
    monkeypatch.chdir("/")
    clock.advance(1)
    publish(engine, "b")
    drive(engine.close())
    assert ready(tmp_path / "f.db") == 2


# ── files that change under a running worker ──────────────────────────────────────────────────────


@pytest.fixture
def running(tmp_path):
    """An engine in use, with a clock that stands still."""
    clock = ManualClock()
    engine = opened(tmp_path / "f.db", clock)
    publish(engine, "a")
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    yield SimpleNamespace(engine=engine, path=tmp_path / "f.db", clock=clock)
    drive(engine.close())


def lost(running):
    """The error that every verb gives from now on."""
    running.clock.advance(1)
    with pytest.raises(EngineUnreachable) as caught:
        publish(running.engine, "late")
    with pytest.raises(EngineUnreachable):
        drive(running.engine.lease(Want("w", ["mail"], 1)))
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_deleted_under_a_running_worker_stops_it_from_accepting_anything(running, suffix):
    Path(f"{running.path}{suffix}").unlink()
    assert f"f.db{suffix} was deleted or replaced while it was open: nothing more is written" in lost(running)


def test_a_database_replaced_under_a_running_worker_is_noticed_and_work_goes_on_when_it_is_put_back(running):
    aside = running.path.with_name("aside")
    running.path.rename(aside)
    shutil.copy(aside, running.path)
    assert "was deleted or replaced" in lost(running)
    aside.rename(running.path)
    running.clock.advance(1)
    publish(running.engine, "b")
    assert len(drive(running.engine.lease(Want("w", ["mail"], 9))).deliveries) == 2


def test_what_was_in_a_deleted_log_is_saved_when_the_worker_ends(tmp_path):
    engine = opened(tmp_path / "f.db")
    publish(engine, "a", "b")
    (tmp_path / "f.db-wal").unlink()
    drive(engine.close())
    assert ready(tmp_path / "f.db") == 2


APP = """
import os
from forebay import Forebay
app = Forebay()
@app.task
def note(text: str) -> None:
    with open(os.environ["FOREBAY_TEST_NOTES"], "a") as file:
        file.write('{"event": "%s"}\\n' % text)
"""


def test_a_worker_whose_database_is_moved_away_says_so_and_goes_on_when_it_is_back(tmp_path):
    (tmp_path / "mover.py").write_text(APP)
    place = Place(tmp_path, tmp_path / "mover.py", poll=0.2)
    path = tmp_path / "queue.db"
    with place.fleet() as fleet:
        place.crew.note.enqueue("before")
        place.noted(event="before")
        path.rename(tmp_path / "aside")
        until(lambda: "queue.db was deleted or replaced while it was open" in fleet.said, "a word in the log")
        with pytest.raises(EngineUnreachable):
            place.crew.note.enqueue("meanwhile")
        (tmp_path / "aside").rename(path)
        until(lambda: _enqueued(place, "after"), "the database to be back")
        place.noted(event="after")
        assert not place.read(event="meanwhile")
    place.close()


def _enqueued(place, text):
    try:
        return place.crew.note.enqueue(text)
    except EngineUnreachable:
        return None
