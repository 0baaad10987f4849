"""Lesson 15: a queue that is full holds whoever feeds it, before the work is done; then the first producer is told."""

import asyncio

from forebay import QueueFull
from fundamentals.lesson import SOON, beside_a_worker, until


def test_who_feeds_a_full_queue_is_held_and_goes_on_when_there_is_room(app):
    go, stored = asyncio.Event(), []
    app.queue("store", limit=4, concurrency=1)
    app.queue("scan", limit=4)

    @app.task(queue="store")
    async def store(page: int) -> None:
        await go.wait()
        stored.append(page)

    @app.task(queue="scan")
    async def scan(page: int) -> None:
        await store.aenqueue(page)

    async def story():
        accepted, refused, gate = 0, None, None
        async with asyncio.timeout(SOON):
            while refused is None or gate is None:
                try:
                    await scan.aenqueue(accepted)
                    accepted += 1
                except QueueFull as full:
                    refused = full
                await asyncio.sleep(0.02)
                gate = next((gate for gate in await app.store.gates() if gate.holder == "pressure"), None)
        assert (refused.queue, refused.retry_after > 0) == ("scan", True)
        assert (gate.queue, gate.task) == ("scan", "scan")
        assert gate.reason.endswith("of 4, fed by task scan")
        assert gate.until is not None  # it opens by itself, should whoever closed it be gone
        go.set()
        await until(lambda: len(stored) == accepted)
        (depth,) = await app.aqueues("scan")
        assert (depth.retried, depth.dead) == (0, 0)  # nothing was done, and then refused

    beside_a_worker(app, story)
