"""What a lease took whose answer was lost is handed back by its worker, which does not know of it; nothing else is."""

import asyncio

import pytest

from forebay import EngineUnreachable, Forebay
from forebay.config import WorkerOptions
from forebay.work import strays
from forebay.work.dev import working


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(strays, "SOON", (0.1, 0.2, 0.3))


def losing(app, *which):
    """The answers of these leases (of those that take something) are lost on their way."""
    lease, taken = app.engine.lease, []

    async def lose(want):
        leased = await lease(want)
        if leased.deliveries:
            taken.append([delivery.id for delivery in leased.deliveries])
            if len(taken) in which:
                raise EngineUnreachable("the answer was lost")
        return leased

    app.engine.lease = lose
    return taken


@pytest.mark.parametrize("which", [(1,), (1, 2), (2,)])
def test_what_was_leased_by_a_call_whose_answer_was_lost_runs_all_the_same_and_once(tmp_path, which, caplog):
    app, ran = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), []

    @app.task
    async def note(number: int) -> int:
        ran.append(number)
        return number

    @app.consume("clicks", batch=2, max_wait=0.01)
    async def load(messages):
        ran.extend(message.value for message in messages)

    async def story():
        losing(app, *which)
        async with app, working(app, WorkerOptions(concurrency=3)):
            handles = await note.aenqueue_many([(number,) for number in range(5)])
            clicks = [await app.apublish("clicks", number) for number in range(10, 15)]
            for handle in [*handles, *clicks]:
                await handle.aresult(timeout=60)

    asyncio.run(story())
    assert sorted(ran) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert "were leased by a call whose answer was lost: handed back" in caplog.text


def test_what_runs_waits_or_is_not_settled_yet_is_no_stray(tmp_path, monkeypatch, caplog):
    app, go, runs = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), asyncio.Event(), []
    monkeypatch.setattr(strays, "PERIOD", 0.01)

    @app.task
    async def long(number: int) -> None:
        runs.append(number)
        await go.wait()

    @app.task
    async def short(number: int) -> None:
        runs.append(number)

    @app.task(at_most_once=True)
    async def once(number: int) -> None:
        runs.append(number)
        await asyncio.sleep(0.1)

    async def story():
        async with app, working(app, WorkerOptions(concurrency=4)):
            slow = await long.aenqueue(1000)
            handles = [await short.aenqueue(number) for number in range(200)]
            handles += [await once.aenqueue(number) for number in range(10)]
            for handle in handles:
                await handle.aresult(timeout=60)
            go.set()
            await slow.aresult(timeout=60)
        assert len(runs) == 211

    asyncio.run(story())
    assert "handed back" not in caplog.text


def test_a_look_that_fails_is_told_and_ends_no_worker(tmp_path, monkeypatch, caplog):
    app, looks = Forebay(f"sqlite:///{tmp_path}/q.db", durability="normal"), []
    monkeypatch.setattr(strays, "PERIOD", 0.01)
    enough = asyncio.Event()

    @app.task
    async def wait_for_looks() -> None:
        await enough.wait()

    async def odd(worker):
        looks.append(worker)
        if len(looks) == 3:
            enough.set()
        raise ValueError("an odd row")

    async def story():
        async with app, working(app, WorkerOptions(concurrency=1)):
            monkeypatch.setattr(app.store, "held", odd)
            await (await wait_for_looks.aenqueue()).aresult(timeout=60)
            monkeypatch.undo()

    asyncio.run(story())
    assert caplog.text.count("the look for strays: ValueError: an odd row") == 1, "told once, and it looks on"
