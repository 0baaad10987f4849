"""A consumer of raw messages whose queue cannot be leased: said once, and once that it works again."""

import asyncio
import logging

from forebay import EngineError, Forebay
from forebay.config import WorkerOptions
from forebay.testing import Fault, fail
from forebay.work.dev import working


def test_a_consumer_that_cannot_lease_says_so_once_and_once_that_it_can_again(tmp_path, caplog):
    app, got = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), asyncio.Event()

    @app.consume("clicks", batch=1)
    async def load(messages):
        got.set()

    async def story():
        async with app, working(app, WorkerOptions(queues=("clicks",))):
            await app.apublish("clicks", 1)
            await asyncio.wait_for(got.wait(), 60)

    caplog.set_level(logging.INFO, "forebay.worker")
    with Fault(app, "before lease", fail(EngineError("locked")), times=6):
        asyncio.run(story())
    told = [line for line in caplog.messages if line.startswith("leasing from clicks")]
    assert told == [
        "leasing from clicks: locked; trying again, at least every 5 s",
        "leasing from clicks: works again",
    ]
