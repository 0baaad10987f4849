"""A keeper's duties go on whatever a row holds and whatever an engine raises: all trouble is told, by name, once."""

import asyncio
import logging
import os

import pytest
from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.registry import build
from forebay.model.message import Failure, Message
from forebay.model.outcome import Ack, Retry, Settlement
from forebay.store.records import Schedule
from forebay.testing import ManualClock
from forebay.work import keeper, timekeeper
from forebay.work.host import alive, born, identity
from forebay.work.keeper import Keeper
from forebay.work.timekeeper import Timekeeper

GOOD = Schedule(name="good", cron="* * * * *", tz="UTC", message=Message(id="", queue="chores", task="good"), next=60.0)
ODD = {
    "a zone that is not known here": {"tz": "US/Pacific-New"},
    "a zone that is no name": {"tz": "../../etc/passwd\0"},
    "an expression of another version": {"cron": "* * * * * * *"},
    "an expression that never comes": {"cron": "0 0 31 2 *"},
    "a time that is none": {"next": "soon"},
    "a time that never comes": {"next": 1e18},
    "no time at all": {"next": float("inf")},
}


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("odd", ODD)
def test_a_schedule_that_cannot_be_fired_is_told_once_by_name_and_the_others_fire(odd, caplog):
    clock = ManualClock(wall=3600.0)

    async def look_twice():
        backend = build(Settings(url="memory://"), clock)
        await backend.put_schedules([GOOD, replace(GOOD, name="odd", **ODD[odd])])
        one = Timekeeper(backend)
        for _ in range(2):
            assert await one.fire_due() <= timekeeper.LOOK
            clock.advance(60.0)
        return (await backend.depth(["chores"]))[0].published

    with caplog.at_level(logging.INFO):
        assert asyncio.run(look_twice()) == 2
    assert len([line for line in messages(caplog) if "odd" in line]) == 1, messages(caplog)


@pytest.mark.parametrize("odd", [-1e18, float("-inf")])
def test_a_next_tick_that_is_no_time_is_told_once_by_name_and_the_schedule_goes_on(odd, caplog):
    clock = ManualClock(wall=3600.0)

    async def look_thrice():
        backend = build(Settings(url="memory://"), clock)
        await backend.put_schedules([replace(GOOD, next=odd)])
        one = Timekeeper(backend)
        for _ in range(3):
            await one.fire_due()
            clock.advance(60.0)
        return (await backend.depth(["chores"]))[0].published

    with caplog.at_level(logging.INFO):
        assert asyncio.run(look_thrice()) == 2
    assert len([line for line in messages(caplog) if "no time" in line and "good" in line]) == 1, messages(caplog)


def test_whatever_a_duty_raises_the_others_go_on_and_it_is_tried_again(caplog, monkeypatch):
    """Each duty fails in a way that nobody foresaw; heartbeats go on all the while, and fail themselves once."""
    monkeypatch.setattr(keeper, "WATCH", 0.01)
    monkeypatch.setattr(keeper, "TIDY", 0.01)
    monkeypatch.setattr(keeper, "LOOK", 0.01)
    beats, enough = [], asyncio.Event()

    def beat():
        beats.append(1)
        if len(beats) == 2:
            raise MemoryError
        if len(beats) == 20:
            enough.set()
        return [Beat(worker="w", lease=1.0)]

    async def fail(*_):
        raise ZeroDivisionError("nobody foresaw this")

    async def keep():
        backend = build(Settings(url="memory://"), ManualClock())
        for verb in ("workers", "recover", "tidy", "schedules"):
            setattr(backend, verb, fail)
        task = asyncio.ensure_future(Keeper((backend, backend, ManualClock()), beat, lambda _: None, 0.06).run())
        async with asyncio.timeout(60):
            await enough.wait()
        assert not task.done()
        task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(keep())
    told = messages(caplog)
    for name in ("lost processes", "lost leases", "tidying", "look at the schedules"):
        assert len([line for line in told if name in line and "nobody foresaw" in line]) == 1, told
    assert next(line for line in told if "heartbeats" in line).startswith("heartbeats: MemoryError")
    assert "heartbeats: works again" in told


def test_a_pid_counts_on_its_own_host_only_and_an_odd_one_is_left_to_its_lease(caplog):
    """Rows: one of this host whose process is gone, the same pid elsewhere, and pids that no kernel has."""
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    rows = {
        "gone": (identity(), gone),
        "elsewhere": (f"{identity()}1", gone),
        "here": (identity(), os.getpid()),
        "all": (identity(), -1),
        "none": (identity(), 0),
        "huge": (identity(), 2**62),
    }

    async def watch():
        backend = build(Settings(url="memory://"), ManualClock())
        await backend.extend([Beat(worker=name, lease=15.0, host=host, pid=pid) for name, (host, pid) in rows.items()])
        one = Keeper((backend, backend, ManualClock()), list, lambda _: None, 15.0)
        for _ in range(3):
            await one._watch()
        return {row.worker for row in await backend.workers() if row.state != "buried"}

    with caplog.at_level(logging.INFO):
        assert asyncio.run(watch()) == set(rows) - {"gone"}
    for name in ("all", "none", "huge"):
        assert len([line for line in messages(caplog) if f"worker {name}:" in line]) == 1, messages(caplog)


def test_another_process_that_has_the_pid_now_is_not_the_one_that_had_it():
    assert alive(os.getpid(), born())
    assert alive(os.getpid(), 0)
    assert not alive(os.getpid(), born() + 1)


def test_a_process_that_waits_to_be_buried_does_not_live():
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    try:
        os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
        assert not alive(zombie)
    finally:
        os.waitpid(zombie, 0)


def test_a_loss_is_told_of_what_was_lost_and_not_of_what_its_worker_has_settled_meanwhile():
    """A worker that is slow rather than dead settles between the look at what it holds and its burial."""
    told = []

    async def bury_while_it_settles():
        backend = build(Settings(url="memory://"), ManualClock())
        await backend.publish([Message(id=name, queue="chores", task="clean") for name in ("settled", "lost")])
        await backend.extend([Beat(worker="w", lease=15.0)])
        held = {one.id: one for one in (await backend.lease(Want("w", ["chores"], 2))).deliveries}
        recover = backend.recover

        async def late(lost=()):
            assert await backend.settle("w", [Settlement(held["settled"], Ack())]) == [True]
            return await recover(lost)

        backend.recover = late
        parts = (backend, backend, ManualClock())
        one = Keeper(parts, list, lambda _: None, 15.0, lost=lambda delivery, _: told.append(delivery.id))
        await one._report(["w"])

    asyncio.run(bury_while_it_settles())
    assert told == ["lost"]


def test_a_loss_is_told_once_under_the_last_of_its_leases():
    told = []

    async def bury_both():
        backend = build(Settings(url="memory://"), ManualClock())
        await backend.publish([Message(id="retried", queue="chores", task="clean")])
        await backend.extend([Beat(worker=name, lease=15.0) for name in ("first", "second")])
        (delivery,) = (await backend.lease(Want("first", ["chores"], 1))).deliveries
        look = backend.held

        async def held(worker):
            found = await look(worker)
            if worker == "first":  # between two looks it fails, and somebody else tries again
                assert await backend.settle(
                    "first", [Settlement(delivery, Retry(0.0, Failure("ValueError", "boom", "")))]
                ) == [True]
                await backend.lease(Want("second", ["chores"], 1))
            return found

        backend.held = held
        parts = (backend, backend, ManualClock())
        one = Keeper(parts, list, lambda _: None, 15.0, lost=lambda delivery, _: told.append(delivery))
        await one._report(["first", "second"])
        return delivery.fence

    fence = asyncio.run(bury_both())
    assert [(one.id, one.fence > fence) for one in told] == [("retried", True)]
