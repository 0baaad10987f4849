"""What comes after a commit cannot fail it: whoever asked is told that it happened, once, whatever breaks then."""

import asyncio
import logging
import threading
import time

import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Fate, Want
from forebay.engine.sqlite.backend import Sqlite
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineClosed, EngineError
from forebay.model.message import Message


@pytest.fixture
def engine(tmp_path):
    opened = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", poll=0.1), SystemClock())
    drive(opened.open())
    drive(opened.extend([Beat(worker="w", lease=60)]))
    yield opened
    drive(opened.close())


def message(name):
    return Message(id=name, queue="q")


async def together(engine, names):
    """A lease and a publish of each, all at once, so that they share a commit."""
    return await asyncio.gather(
        engine.lease(Want("w", ["q"], 100)),
        *(engine.publish([message(name)]) for name in names),
        return_exceptions=True,
    )


def breaks(*_):
    raise OSError("broken on purpose")


@pytest.mark.parametrize("what", ["_ringer.ring", "_signal.notify", "_turn.committed"])
def test_whatever_breaks_after_a_commit_each_is_told_once_that_it_happened(engine, what, caplog, monkeypatch):
    part, _, verb = what.partition(".")
    drive(engine.publish([message("before")]))
    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING, "forebay"):
        broken.setattr(getattr(engine._db.writer, part), verb, breaks)
        first = asyncio.run(together(engine, [f"a{number}" for number in range(20)]))
        second = asyncio.run(together(engine, [f"b{number}" for number in range(20)]))
    fates = [answer[0].fate for answers in (first, second) for answer in answers[1:]]
    assert fates == [Fate.ACCEPTED] * 40
    leased = [delivery.id for answers in (first, second) for delivery in answers[0].deliveries]
    assert sorted(leased) == sorted(delivery.id for delivery in drive(engine.held("w")))
    assert sum("broken on purpose" in record.message for record in caplog.records) == 1, "said once"


def test_listeners_that_cannot_be_looked_up_cost_nobody_an_answer(engine, tmp_path):
    bells = tmp_path / "q.db-bells"
    bells.touch()
    assert [receipt.fate for receipt in drive(engine.publish([message("a")]))] == [Fate.ACCEPTED]
    other = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", poll=0.1), SystemClock())
    drive(other.open())
    drive(other.wait(["q"], 0.0, 0))
    seen = drive(other.watch(None, 0.0))
    drive(engine.cancel(["a"]))
    drive(other.watch(None, 10.0, seen))
    assert drive(other.find(["a"]))[0].state == "cancelled", "heard by the slow look"
    bells.unlink()
    end = time.monotonic() + 60
    while not (rung := list(bells.glob("*"))) and time.monotonic() < end:
        drive(other.watch(None, 0.1, drive(other.watch(None, 0.0))))
    assert [path.is_socket() for path in rung] == [True], "and a bell again once there can be one"
    drive(other.close())


def works(engine, name):
    """Whether a publish is accepted; any other error than one of ours is raised."""
    try:
        drive(engine.publish([message(name)]))
    except EngineError:
        return False
    return True


def until(condition):
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not come within 60 s"


def test_a_folder_that_is_moved_away_is_an_error_of_ours_and_comes_back(tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    engine = Sqlite(Settings(url=f"sqlite:///{home}/q.db"), SystemClock())
    drive(engine.open())
    for number in range(5):
        drive(engine.publish([message(f"there{number}")]))
        home.rename(away)
        until(lambda number=number: not works(engine, f"gone{number}"))  # it looks a few times a second
        away.rename(home)
        until(lambda number=number: works(engine, f"again{number}"))
    drive(engine.close())


def test_a_call_during_a_close_is_answered_or_refused_and_never_waits_for_ever(tmp_path):
    for _ in range(30):
        engine = Sqlite(Settings(url=f"sqlite:///{tmp_path}/q.db", durability="normal"), SystemClock())
        drive(engine.open())
        writer, refused = engine._db.writer, []

        def work(engine=engine, refused=refused):
            try:
                for number in range(10_000):
                    drive(engine.publish([message(f"m{number}")]))
            except EngineClosed as error:
                refused.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        drive(engine.close())
        for thread in threads:
            thread.join(60)
        assert len(refused) == 4
        assert not writer._thread.is_alive()


def test_who_waits_for_an_engine_that_is_closed_is_told(engine):
    told = []

    def wait(verb):
        try:
            drive(verb)
        except EngineClosed as error:
            told.append(error)

    mark = drive(engine.watch(None, 0.0))
    leased = drive(engine.lease(Want("w", ["q"], 1)))
    threads = [
        threading.Thread(target=wait, args=(verb,), daemon=True)
        for verb in (engine.watch(None, 60.0, mark), engine.wait(["q"], 60.0, leased.news))
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(engine._db.signal._waiters) == 2)
    drive(engine.close())
    for thread in threads:
        thread.join(60)
    assert len(told) == 2
