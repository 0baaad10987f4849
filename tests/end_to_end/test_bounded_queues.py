"""Queues with a limit and real processes: the limit holds for all producers together."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

import starts
from engines.servers.places import place
from fleet import until
from forebay import Forebay
from forebay.config import WorkerOptions
from forebay.work.dev import working

PRODUCERS, EACH, LIMIT = 5, 25, 60

HASTY = """
import sys
import time
from pathlib import Path
from forebay import Forebay, QueueFull

url, namespace, number, gate = sys.argv[1:]
app = Forebay(url, **({"namespace": namespace} if namespace else {}))
app.queues()
while not Path(gate).exists():
    time.sleep(0.005)
taken, waits = [], []
for turn in range(EACH):
    try:
        if turn % 5:
            taken.append(app.publish("mail", number).id)
        else:
            taken += [handle.id for handle in app.publish_many("mail", [number] * 3)]
    except QueueFull as full:
        waits.append(full.retry_after)
        assert full.queue == "mail" and full.retry_after > 0, full
print(len(taken), len(waits))
"""

PATIENT = """
import sys
from forebay import Forebay

url, namespace, number = sys.argv[1:]
app = Forebay(url, **({"namespace": namespace} if namespace else {}))
for turn in range(EACH):
    app.publish("mail", [int(number), turn])
    print(turn, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def where(request, tmp_path):
    """URL and namespace."""
    with place(request.param, tmp_path) as found:
        yield found


def app_on(where, limit=LIMIT, **more):
    url, namespace = where
    app = Forebay(url, **({"namespace": namespace} if namespace else {}))
    app.queue("mail", limit=limit, **more)
    return app


@contextlib.contextmanager
def producers(program, folder, n, *arguments):
    """So many processes of a program, each with its number."""
    path = folder / "producer.py"
    path.write_text(program.replace("EACH", str(EACH)))
    first, *rest = arguments
    running = [Producer([str(path), *first, str(number), *rest], folder) for number in range(n)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(30)
            process.stdout.close()


class Producer(starts.Started):
    """A program and what it prints."""

    def __init__(self, words, folder):
        out, end = os.pipe()
        self.stdout = os.fdopen(out)
        super().__init__(words, [0, end, 2], folder, os.environ, python=())
        os.close(end)


def test_all_producers_together_stay_within_the_limit(where, tmp_path):
    gate = tmp_path / "gate"
    with app_on(where) as app:
        app.queues()
        with producers(HASTY, tmp_path, PRODUCERS, where, str(gate)) as running:
            Path(gate).touch()
            said = [process.stdout.read().split() for process in running]
            assert [process.wait(90) for process in running] == [0] * PRODUCERS
        (depth,) = app.queues("mail")
    assert (depth.ready, depth.published) == (LIMIT, LIMIT)
    assert sum(int(waits) for _, waits in said) > 0


def test_all_who_wait_get_in_and_one_that_is_killed_leaves_nothing_behind(where, tmp_path):
    app, got = app_on(where, limit=5, on_full="wait", full_wait=60), []

    @app.consume("mail", batch=3, max_wait=0.01)
    async def load(messages):
        got.extend(tuple(one.value) for one in messages)

    with app, producers(PATIENT, tmp_path, 4, where) as running:
        app.queues()
        until(lambda: app.queues("mail")[0].ready == 5, "a full queue")
        *others, victim = running
        victim.kill()
        victim.wait(30)
        said = os.read(victim.stdout.fileno(), 4096).decode().split()
        asyncio.run(_work(app, others))
        assert [process.wait() for process in others] == [0, 0, 0]
    assert sorted(one for one in got if one[0] < 3) == [(n, turn) for n in range(3) for turn in range(EACH)]
    theirs = [turn for n, turn in got if n == 3]
    assert theirs == list(range(len(theirs)))
    assert len(said) <= len(theirs) <= len(said) + 1  # what it was told is in, and at most one more


async def _work(app, processes):
    async with asyncio.timeout(60), working(app, WorkerOptions(queues=("mail",))):
        while any(process.poll() is None for process in processes) or await _left(app):
            assert (await app.aqueues("mail"))[0].ready <= 5
            await asyncio.sleep(0.005)


async def _left(app):
    """How many messages wait or run: what runs when a worker is told to leave may go back."""
    (depth,) = await app.aqueues("mail")
    return depth.ready + depth.running
