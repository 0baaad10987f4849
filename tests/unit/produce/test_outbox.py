"""The outbox of a queue that spills: what has no room waits in a file, and gets in by itself, in order, each once."""

import contextlib
import subprocess
import sys
import threading
import time

import apsw
import pytest

from forebay import ConfigError, Forebay, ForebayError, NoSuchMessage, QueueFull
from forebay.cli import main
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.waiting import drive
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.produce.codec import decode_value
from forebay.produce.outbox import PAUSE, path_of

LONG = 60.0


def make(folder, **more):
    app = Forebay(f"sqlite:///{folder}/q.db", durability="normal", outbox=f"{folder}/outbox.db", **more)
    app.queue("mail", limit=3, on_full="spill")
    return app


@pytest.fixture(autouse=True)
def _nobody_is_left(tmp_path):
    """The thread of an app that was closed finds that out a moment later, and needs its folder until then."""
    yield
    until(lambda: all(thread.name != "forebay-outbox" for thread in threading.enumerate()))


def until(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def work(app, n):
    """The values of the next `n` messages, done one by one."""
    got, end = [], time.monotonic() + LONG
    drive(app.engine.extend([Beat(worker="w", lease=1e9)]))
    while len(got) < n:
        assert time.monotonic() < end, got
        for delivery in drive(app.engine.lease(Want("w", ["mail"], 1))).deliveries:
            got.append(decode_value(delivery.body))
            drive(app.engine.settle("w", [Settlement(delivery, Ack())]))
        time.sleep(0.002)
    return got


def left(folder):
    """Messages in the outbox."""
    with contextlib.closing(apsw.Connection(f"{folder}/outbox.db")) as db:
        return db.execute("select count(*) from message").get


def test_what_has_no_room_is_taken_and_gets_in_in_order(tmp_path):
    with make(tmp_path) as app:
        handles = [*app.publish_many("mail", list(range(8))), app.publish("mail", 8), app.publish("mail", 9)]
        assert len({handle.id for handle in handles}) == 10
        assert app.queues("mail")[0].ready == 3
        with pytest.raises(NoSuchMessage, match="or in the outbox until its queue has room"):
            handles[7].status()
        assert work(app, 10) == list(range(10))
        until(lambda: not app.producer._admission.outbox.holds("mail"))
        app.publish("mail", 10)
        assert work(app, 1) == [10]
        assert app.queues("mail")[0].published == 11


def test_what_a_process_has_left_is_brought_by_the_next_one(tmp_path):
    with make(tmp_path) as app:
        app.publish_many("mail", list(range(6)))
    with make(tmp_path) as app:
        app.publish("mail", 6)
        assert work(app, 7) == list(range(7))


KILLED = """
import sys, time
from forebay import Forebay
folder, number = sys.argv[1], int(sys.argv[2])
app = Forebay(f"sqlite:///{folder}/q.db", durability="normal", outbox=f"{folder}/outbox.db")
app.queue("mail", limit=3, on_full="spill")
while True:
    app.publish("mail", number)
    print(number, flush=True)
    number += 1
    time.sleep(0.01)
"""


def test_what_was_left_is_brought_by_whoever_opens_the_app_and_commands_that_look_leave_it_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREBAY_OUTBOX", f"{tmp_path}/outbox.db")
    with make(tmp_path) as app:
        app.publish_many("mail", list(range(6)))
    assert main(["--url", f"sqlite:///{tmp_path}/q.db", "queues"]) == 0
    assert left(tmp_path) == 3
    with make(tmp_path) as app:
        assert work(app, 6) == list(range(6))


SAME = [
    ("postgresql://web:old@db.internal:5432/shop", "postgresql://jobs:n%2Few@db.internal:5432/shop?sslmode=require"),
    ("redis://:old@cache.internal:6379/1", "rediss://forebay:new@cache.internal:6379/1?ssl_ca_certs=/etc/ca.pem"),
    ("unix:///run/redis.sock?db=1", "unix://user:new@/run/redis.sock?db=1"),
]
OTHERS = [
    ("postgresql://web@db.internal/shop", "postgresql://web@db.internal/test"),
    ("postgresql://db.internal?dbname=shop", "postgresql://db.internal?dbname=test"),
    ("redis://cache.internal:6379/1", "redis://cache.internal:6379/2"),
    ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=2"),
    ("sqlite:///q.db", "sqlite:///other.db"),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_a_new_password_user_or_option_of_the_url_is_no_other_engine(before, after):
    assert path_of(Settings(url=before)) == path_of(Settings(url=after))


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_another_server_database_or_file_is(one, other):
    assert path_of(Settings(url=one)) != path_of(Settings(url=other))
    assert path_of(Settings(url=one, namespace="a")) != path_of(Settings(url=one, namespace="b"))


def test_what_was_left_is_brought_however_the_path_of_the_file_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for outbox in ("", f"{tmp_path}/outbox.db"):
        name = "named" if outbox else "usual"
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        for url in ("sqlite:///q.db", f"sqlite:///{tmp_path}/{name}/q.db"):
            with Forebay(url, durability="normal", outbox=outbox) as app:
                app.queue("mail", limit=3, on_full="spill")
                if url == "sqlite:///q.db":
                    app.publish_many("mail", list(range(6)))
                else:
                    assert work(app, 6) == list(range(6))


def test_an_outbox_that_cannot_be_opened_keeps_nobody_from_opening_the_app(tmp_path, caplog):
    (tmp_path / "outbox.db").write_bytes(b"this is no database" * 1000)
    with make(tmp_path) as app:
        assert app.queues("mail")[0].ready == 0
        assert "what is left in the outbox cannot be brought to its queues" in caplog.text
        with pytest.raises(ForebayError, match="outbox"):
            app.publish("mail", 1)


def test_processes_that_are_killed_lose_nothing_and_double_nothing(tmp_path):
    got, told = [], []
    with make(tmp_path) as app:
        app.queues()
        for turn in range(3):
            command = [sys.executable, "-c", KILLED, str(tmp_path), str(1000 * turn)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            got += work(app, 20)  # what is brought meanwhile is cut off somewhere
            process.kill()
            told += map(int, process.communicate(timeout=LONG)[0].split())
    with make(tmp_path) as app:  # which brings what the last one has left, whether the queue has room by now or not
        app.queues()
        app.publish("mail", 9999)
        while 9999 not in got:
            got += work(app, 1)
    assert set(told) <= set(got), "all that was told is there"
    assert got == sorted(set(got)), "each once, and in order"
    assert len(got) <= len(told) + 3 + 1, "and of what was not told one of each process at the most"


def test_a_full_outbox_refuses(tmp_path):
    app = make(tmp_path, outbox_size=300_000)
    with app, pytest.raises(QueueFull, match="neither has the outbox"):  # noqa: PT012 - one of them will be too much
        for _ in range(100):
            app.publish("mail", "x" * 50_000)


def test_one_with_a_unique_key_is_refused(tmp_path):
    with make(tmp_path) as app:
        app.publish_many("mail", [1, 2, 3])
        with pytest.raises(QueueFull):
            app.publish("mail", 4, unique="u")


def test_an_engine_that_forgets_has_no_outbox():
    app = Forebay("memory://")
    app.queue("mail", limit=3, on_full="spill")
    with pytest.raises(ConfigError, match="durable"):
        app.publish("mail", 1)


def limited(app, most):
    """Another deploy has another limit."""
    drive(app.engine.declare([QueueSpec(name="mail", limit_bytes=most, on_full="spill")]))


def test_bytes_spill_as_well_and_what_never_fits_holds_up_nothing(tmp_path, caplog):
    app = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal", outbox=f"{tmp_path}/outbox.db")
    app.queue("mail", limit_bytes=100, on_full="spill")
    with app:
        app.publish_many("mail", [b"x" * 60, b"y" * 60])
        (depth,) = app.queues("mail")
        assert depth.ready == 1
        with pytest.raises(QueueFull, match="it never fits"):  # though others stand in the outbox
            app.publish("mail", b"z" * 200)
        limited(app, 250)
        stuck = app.publish("mail", b"z" * 200)
        limited(app, 100)  # of which it does not know there
        app.publish("mail", b"last")
        assert len(work(app, 3)) == 3
        until(lambda: stuck.id in caplog.text)
        assert "stays there until the limit of queue mail is raised: the message has 20" in caplog.text
        limited(app, 1_000)
        assert len(work(app, 1)) == 1


def carried(here, there):
    """Its file, as somebody may move it who tidies up."""
    there.mkdir(exist_ok=True)
    (here / "outbox.db").rename(there / "outbox.db")


def test_trouble_with_its_file_is_told_once_and_waited_out(tmp_path, caplog):
    caplog.set_level("INFO", "forebay.outbox")
    with make(tmp_path) as app:
        app.publish_many("mail", list(range(6)))
        carried(tmp_path, tmp_path / "away")
        until(lambda: "cannot be brought" in caplog.text)
        time.sleep(3 * PAUSE)  # time for it to be told again, or to be given up
        told = [one.getMessage() for one in caplog.records if one.name == "forebay.outbox"]
        assert len(told) == len(set(told)) <= 2  # in the middle of a commit and after it, at the most
        carried(tmp_path / "away", tmp_path)
        assert work(app, 6) == list(range(6))
        until(lambda: "cannot be brought: works again" in caplog.text)


def test_an_app_that_is_closed_while_its_outbox_is_away_leaves_no_thread_behind(tmp_path, caplog):
    with make(tmp_path) as app:
        app.publish_many("mail", list(range(6)))
        carried(tmp_path, tmp_path / "away")
        until(lambda: "cannot be brought" in caplog.text)
    until(lambda: all(thread.name != "forebay-outbox" for thread in threading.enumerate()))
    assert "Traceback" not in caplog.text
    carried(tmp_path / "away", tmp_path)
    with make(tmp_path) as app:
        assert work(app, 6) == list(range(6))
