"""T9: no room. New messages are refused with a clear error; what was accepted goes on to its end."""

import asyncio
import contextlib
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

import starts
from faults import pythons
from forebay import Forebay
from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import Sqlite
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineFull, EngineUnreachable
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, DeadLetter, Retry, Settlement
from forebay.testing.clock import ManualClock

PATIENCE = 120.0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB for the test alone."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this user may not mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def engine_at(path, clock=None, **settings):
    engine = Sqlite(Settings(url=f"sqlite:///{path}", **settings), clock or SystemClock())
    drive(engine.open())
    return engine


def message(size=1000):
    return Message(id=os.urandom(16).hex(), queue="mail", task="send", body=os.urandom(size))


def publish_until_full(engine):
    """The ids that were accepted, and the error that ended it."""
    accepted = []
    while True:
        batch = [message() for _ in range(20)]
        try:
            accepted += [receipt.id for receipt in drive(engine.publish(batch))]
        except EngineFull as error:
            return accepted, error


def lease(engine, limit=50):
    drive(engine.extend([Beat(worker="w", lease=1e6)]))
    return drive(engine.lease(Want("w", ["mail"], limit))).deliveries


def drain(engine, outcome):
    """Settle everything, each batch in a random order; the ids that were seen."""
    seen = []
    while held := lease(engine):
        random.shuffle(held)
        assert all(drive(engine.settle("w", [Settlement(one, outcome()) for one in held])))
        seen += [one.id for one in held]
    return seen


def fill(folder):
    """Another program takes all that is left."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        while os.statvfs(folder).f_bavail:  # others may give some back meanwhile
            with contextlib.suppress(OSError):
                file.write(bytes(4096))
    return ballast


def test_at_max_size_a_publish_says_what_to_do_and_all_that_was_accepted_is_there(tmp_path):
    engine = engine_at(tmp_path / "f.db", max_size=1_000_000)
    accepted, error = publish_until_full(engine)
    assert "max_size = 1,000,000 bytes: let the workers catch up" in str(error)
    assert 400 < len(accepted) < 1000
    assert drive(engine.depth())[0].ready == len(accepted)
    drive(engine.close())
    assert (tmp_path / "f.db").stat().st_size <= 1_000_000


def outcomes():
    failure = Failure("ValueError", "boom", "Traceback\n" * 20)
    return {
        "acks with results": lambda: Ack(result=os.urandom(500), keep=3600.0),
        "dead letters": lambda: DeadLetter("it never worked", failure),
        "some of each": lambda: random.choice((Ack(), DeadLetter("bad", failure), Retry(3600.0, failure))),
    }


@pytest.mark.parametrize("kind", outcomes())
def test_beats_leases_and_every_outcome_go_on_at_max_size(tmp_path, kind):
    engine = engine_at(tmp_path / "f.db", max_size=1_000_000)
    accepted, _ = publish_until_full(engine)
    assert sorted(drain(engine, outcomes()[kind])) == sorted(accepted)
    drive(engine.close())
    grown = (tmp_path / "f.db").stat().st_size / 1_000_000
    print(f"settling everything at max_size, {kind}: the file grew to {grown:.2f} x max_size")
    assert grown < 2  # a message has one row at a time, wherever it is


def test_when_the_workers_have_made_room_publishing_goes_on(tmp_path):
    engine = engine_at(tmp_path / "f.db", max_size=1_000_000)
    accepted, _ = publish_until_full(engine)
    drain(engine, lambda: Ack(keep=0))
    again, _ = publish_until_full(engine)
    drive(engine.close())
    assert len(again) > 0.9 * len(accepted)


def test_a_publish_without_room_spoils_nothing_that_shares_its_commit(tmp_path):
    async def scenario():
        engine = Sqlite(Settings(url=f"sqlite:///{tmp_path / 'f.db'}", max_size=1_000_000), SystemClock())
        await engine.open()
        await asyncio.to_thread(publish_until_full, engine)
        held = await asyncio.to_thread(lease, engine, 100)
        too_much = [engine.publish([message(50_000)]) for _ in range(20)]
        settles = [engine.settle("w", [Settlement(one, Ack())]) for one in held]
        answers = await asyncio.gather(*too_much, *settles, return_exceptions=True)
        assert {type(answer) for answer in answers[:20]} == {EngineFull}
        assert answers[20:] == [[True]] * 100
        await engine.close()

    asyncio.run(scenario())


def test_a_queue_whose_first_message_was_refused_works_when_there_is_room(tmp_path):
    engine = engine_at(tmp_path / "f.db", max_size=1_000_000)
    publish_until_full(engine)
    first = Message(id=os.urandom(16).hex(), queue="new", body=os.urandom(50_000))
    with pytest.raises(EngineFull):
        drive(engine.publish([first]))
    drain(engine, lambda: Ack(keep=0))
    drive(engine.publish([first]))
    assert [one.id for one in drive(engine.lease(Want("w", ["new"], 5))).deliveries] == [first.id]
    drive(engine.close())


def test_an_app_hears_of_it_as_engine_full(tmp_path):
    app = Forebay(f"sqlite:///{tmp_path / 'f.db'}", max_size=200_000)

    @app.task
    def send(text: str) -> None: ...

    with pytest.raises(EngineFull, match="raise max_size"):  # noqa: PT012 - one of them will be too much
        for _ in range(1000):
            send.enqueue("x" * 1000)


def test_the_last_tenth_of_a_small_disk_is_kept_for_settling(small_disk):
    engine = engine_at(small_disk / "f.db")
    accepted, error = publish_until_full(engine)
    assert "bytes free, and the last" in str(error)
    assert sorted(drain(engine, lambda: Ack(keep=3600.0))) == sorted(accepted)
    drive(engine.close())


def test_on_a_disk_that_others_filled_nothing_is_lost_and_the_log_is_used_again_for_settling(small_disk):
    clock = ManualClock()
    engine = engine_at(small_disk / "f.db", clock, durability="normal")
    accepted = [receipt.id for _ in range(20) for receipt in drive(engine.publish([message() for _ in range(20)]))]
    held, attempts = lease(engine, 400), 0
    fill(small_disk)
    clock.advance(1)
    with pytest.raises(EngineFull, match="free some space"):
        drive(engine.publish([message()]))
    for one in held:
        attempts += _until_settled(engine, one)
    print(f"on a full disk {len(held)} were settled in {attempts} attempts")
    assert [one.id for one in held] == accepted
    drive(engine.close())


def _until_settled(engine, one):
    """As a worker does: again and again. How often it took."""
    for attempt in range(1, 4):
        with contextlib.suppress(EngineFull):
            assert drive(engine.settle("w", [Settlement(one, Ack(keep=0))])) == [True]
            return attempt
    raise AssertionError("it could not be settled")


def test_a_file_cannot_be_opened_on_a_disk_without_a_free_byte_and_can_when_there_is_space(small_disk):
    engine = engine_at(small_disk / "f.db")
    drive(engine.publish([message()]))
    drive(engine.close())
    ballast = fill(small_disk)
    with pytest.raises(EngineUnreachable, match="the disk is full: free some space"):
        engine_at(small_disk / "f.db")
    ballast.unlink()
    engine = engine_at(small_disk / "f.db")
    assert len(lease(engine)) == 1
    drive(engine.close())


def test_a_worker_outlives_a_full_disk_and_goes_on_when_there_is_space(small_disk, tmp_path):
    (tmp_path / "shop.py").write_text(
        "import os\nfrom forebay import Forebay\n"
        f"app = Forebay('sqlite:///{small_disk / 'f.db'}', poll=0.2)\n"
        "@app.task\ndef work(number: int) -> bytes:\n"
        f"    with open({str(tmp_path / 'ran')!r}, 'a') as file:\n        file.write(f'{{number}}\\n')\n"
        "    return os.urandom(20_000)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "FOREBAY_APP": "shop:app"}
    here = tmp_path, environment
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import shop\nfor n in range(60): shop.work.enqueue(n)"
    log = (tmp_path / "log").open("w")
    worker = starts.Started(["worker"], (0, log.fileno(), log.fileno()), *here)
    try:
        _until((small_disk / "f.db-bells").is_dir, worker)
        pythons.done(script)
        accepted = 0
        while True:  # the worker may give space back meanwhile, and then there is room
            ballast = fill(small_disk)
            refused = starts.run(["enqueue", "work", f"{1_000 + accepted}"], *here, PATIENCE)
            if refused.returncode:
                break
            accepted += 1
            assert accepted < 100
        assert "free some space" in refused.stderr
        assert worker.poll() is None
        ballast.unlink()
        _until(lambda: len(_lines(tmp_path / "ran")) >= 60, worker)
        assert starts.run(["enqueue", "work", "100"], *here, PATIENCE).returncode == 0
        _until(lambda: len(set(_lines(tmp_path / "ran"))) == 61 + accepted, worker)
    finally:
        worker.terminate()
        worker.wait(PATIENCE)
        log.close()
    ran = _lines(tmp_path / "ran")
    assert sorted(map(int, set(ran))) == [*range(60), 100, *range(1_000, 1_000 + accepted)]


def _lines(path: Path):
    return path.read_text().split() if path.exists() else []


def _until(condition, worker):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert worker.poll() is None, "the worker ended"
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
