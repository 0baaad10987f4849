"""Messages that run under a worker whose row is gone, whoever deleted it."""

import asyncio
import sqlite3

import pytest

from forebay.config import Settings
from forebay.engine.contract import Beat, Want
from forebay.engine.sqlite import Sqlite, checkup
from forebay.engine.sqlite.sharing import Files
from forebay.model.clock import SystemClock
from forebay.model.message import Message


def beat(worker: str) -> Beat:
    return Beat(
        worker=worker, lease=60, host="h", pid=1, queues=("q",), concurrency=2, running=0, done=0, failed=0, proved=0,
        state="running",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        ("delete from worker where id = 'gone'", "gone"),
        ("update worker set state = 'buried' where id = 'gone'", "gone"),
        ("update message set worker = 'never was' where worker = 'gone'", "never was"),
        ("update message set worker = null where worker = 'gone'", "nobody"),
    ],
)
def test_what_runs_under_a_worker_that_has_no_row_is_lost_and_runs_again(tmp_path, harm, name):
    settings = Settings(url=f"sqlite:///{tmp_path}/queue.db")

    async def story() -> None:
        engine = Sqlite(settings, SystemClock(), among=Files())
        await engine.open()
        await engine.publish([Message(id=f"m{n}", queue="q", task="t", body=b"") for n in range(4)])
        await engine.extend([beat("gone"), beat("lives")])
        for worker in ("gone", "lives"):
            await engine.lease(Want(worker, ("q",), 2))
        assert (await engine.recover()).returned == 0
        assert "running" not in [found.check for found in checkup.examine(settings)]
        await engine.close()
        with sqlite3.connect(tmp_path / "queue.db") as db:
            db.execute(harm)
        db.close()
        assert "running" in [found.check for found in checkup.examine(settings)]
        await engine.open()
        told = await engine.recover()
        assert (list(told.workers), told.returned, told.quarantined) == ([name], 2, 0)
        found = await engine.find([f"m{n}" for n in range(4)])
        assert [(one.state, one.lost) for one in found if one] == [("ready", 1)] * 2 + [("running", 0)] * 2
        assert (await engine.recover()).returned == 0
        renewed = await engine.extend([beat("gone"), beat("lives")])
        assert renewed[1]
        if name == "gone":
            assert not renewed[0]  # it is told that it was lost
        await engine.close()

    asyncio.run(story())
