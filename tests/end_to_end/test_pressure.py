"""A chain of four queues whose last one stands still: each stage is held, then the first producer; then it goes on."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time

import pytest

from engines.servers.places import place
from fleet import until
from forebay import Forebay, QueueFull
from forebay.config import WorkerOptions
from forebay.flow.limit import reserve
from forebay.observe.why import why_queue
from forebay.work.dev import working

pytestmark = pytest.mark.usefixtures("pythons_forked")

LIMIT, PATIENCE = 10, 60.0


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def where(request, tmp_path):
    """URL and namespace."""
    with place(request.param, tmp_path) as found:
        yield found


class Chain:
    """Its app, on one engine."""

    def __init__(self, where):
        url, namespace = where
        self.app = app = Forebay(url, **({"namespace": namespace} if namespace else {}))
        self.goes_on, self.done = asyncio.Event(), []
        for queue in "abcd":
            app.queue(queue, limit=LIMIT)

        @app.task(queue="d")
        async def last(n: int) -> None:
            await self.goes_on.wait()
            self.done.append(n)

        @app.task(queue="c")
        async def third(n: int) -> None:
            await last.aenqueue(n)

        @app.task(queue="b")
        async def second(n: int) -> None:
            await third.aenqueue(n)

        @app.task(queue="a")
        async def first(n: int) -> None:
            await second.aenqueue(n)

        @app.task(queue="c")
        async def neighbour() -> str:
            return "not held"

        self.first, self.neighbour = first, neighbour

    async def held(self):
        return {(gate.queue, gate.task) for gate in await self.app.store.gates() if gate.holder == "pressure"}

    async def why(self, queue):
        (depth,) = await self.app.aqueues(queue)
        reasons = await why_queue(self.app.engine, self.app.store, depth, lease=15.0, app="m:app")
        return [reason.text for reason in reasons if reason.code == "pressure"]


async def wait_for(condition, what):
    ends = time.monotonic() + PATIENCE
    while not (value := await condition()):
        assert time.monotonic() < ends, f"waited for {what}"
        await asyncio.sleep(0.02)
    return value


async def fill(chain):
    """Enqueue until the whole chain is held; what was accepted, and what the last refusal said."""
    accepted, refused, sent = [], None, 0
    ends, all_of_it = time.monotonic() + PATIENCE, {("a", "first"), ("b", "second"), ("c", "third")}
    while refused is None or await chain.held() != all_of_it:
        assert time.monotonic() < ends, await chain.held()
        try:
            await chain.first.aenqueue(sent)
            accepted.append(sent)
        except QueueFull as full:
            refused = full
            await asyncio.sleep(0.02)
        sent += 1
    return accepted, refused


def test_pressure_travels_from_the_last_queue_to_the_first_producer_and_lets_go(where):
    asyncio.run(_story(Chain(where)))


async def _story(chain):
    app = chain.app
    stages = WorkerOptions(queues=("a", "b", "c"), concurrency=4)
    async with app, working(app, stages), working(app, WorkerOptions(queues=("d",), concurrency=2)):
        await app.store.close_gate("c", task="neighbour")
        beside = await chain.neighbour.aenqueue()
        accepted, refused = await fill(chain)
        assert (refused.queue, refused.retry_after > 0) == ("a", True)

        async def told():  # a stage may get a turn before the one after it is full
            texts = await chain.why("c")
            said = [text for text in texts if text.startswith("task third has been held by pressure: queue d is at ")]
            return [text for text in said if ", fed by task third" in text]

        await wait_for(told, "the reason")
        await app.store.open_gate("c", task="neighbour")
        assert await beside.aresult(timeout=PATIENCE) == "not held"
        for depth in await app.aqueues("b", "c", "d"):
            assert depth.ready + depth.parked <= LIMIT + reserve(LIMIT)
        chain.goes_on.set()

        async def all_done():
            return len(chain.done) == len(accepted)

        await wait_for(all_done, "the end of all that was accepted")
        assert sorted(chain.done) == accepted

        async def nobody():
            return not await chain.held()

        await wait_for(nobody, "nobody to be held")
        depths = await app.aqueues("a", "b", "c", "d")
        assert [(depth.retried, depth.dead) for depth in depths] == [(0, 0)] * 4  # what was done was never refused


PROGRAM = """
import time
from pathlib import Path
from forebay import Forebay

app = Forebay()
for queue in "abcd":
    app.queue(queue, limit=10)


@app.task(queue="d")
def last(n: int) -> None:
    while not Path("go").exists():
        time.sleep(0.02)


@app.task(queue="c", cpu=True)
def third(n: int) -> None:
    last.enqueue(n)


@app.consume("b", batch=5, max_wait=0.01)
def second(messages):
    third.enqueue_many([(one.value,) for one in messages])


@app.task(queue="a")
def first(n: int) -> None:
    app.publish("b", n)
"""


@contextlib.contextmanager
def worker(folder, *options, **settings):
    command = [sys.executable, "-m", "forebay", "worker", "-A", "chain:app", *options]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait(30)


def test_processes_and_batches_are_seen_and_who_is_dead_holds_nobody(tmp_path):
    """A task in a process of its own, and a consumer, feed queues too; what was held goes on without any governor."""
    (tmp_path / "chain.py").write_text(PROGRAM)
    settings = {"FOREBAY_URL": f"sqlite:///{tmp_path}/queue.db"}
    app = Forebay(settings["FOREBAY_URL"])

    def held():
        found = [gate for gate in asyncio.run(app.store.gates()) if gate.holder == "pressure"]
        return {(gate.queue, gate.task) for gate in found}

    with app:
        stages, end = ("-Q", "a,b,c", "-c", "4"), ("-Q", "d", "-c", "1")
        with worker(tmp_path, *stages, **settings), worker(tmp_path, *end, **settings):
            until(lambda: app.queues("a")[0].limit == 10, "the limits")
            first = app.task(first_of, queue="a", name="first")

            def fills():
                with contextlib.suppress(QueueFull):
                    first.enqueue(1)
                return held() == {("a", "first"), ("b", None), ("c", "third")}

            until(fills, "all stages to be held", 60)
        # all of it was killed: gates that nobody renews open by themselves, and here nobody closes any
        (tmp_path / "go").touch()
        with worker(tmp_path, "-c", "4", **settings, FOREBAY_PRESSURE="false"):

            def empty():
                return not any(d.ready + d.parked + d.running + d.scheduled for d in app.queues("a", "b", "c", "d"))

            until(empty, "the end of all", 60)
        assert [depth.dead for depth in app.queues("a", "b", "c", "d")] == [0] * 4


def first_of(n: int) -> None:
    """Stands for the task of the program."""
