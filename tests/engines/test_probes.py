"""One probe, and no other, while a provider is being probed: whatever ends meanwhile that had begun before."""

import asyncio

import pytest

from engines.servers.places import place
from forebay import Forebay
from forebay.engine.contract import Beat, Want
from forebay.flow.breaker import advance, opened, probe_of, probed
from forebay.model.outcome import Ack, Release, Settlement
from forebay.model.provider import Call, Place, Provider, Stand, Terms, lane_of
from forebay.provider.steer import change

BOUND, WORKER = 8, "w" * 32
SMTP = Provider(name="smtp", terms=Terms(concurrency=BOUND), places=(Place("mail", lane_of("smtp", cpu=False)),))


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def app(request, tmp_path):
    with place(request.param, tmp_path) as (url, namespace):
        app = Forebay(url, **({"namespace": namespace} if namespace else {}))
        app.provider("smtp", concurrency=BOUND)
        app.task(queue="mail", name="send", provider="smtp")(_send)
        yield app


def _send() -> None:
    """Never run here."""


class Worker:
    """Leases and settles by hand."""

    def __init__(self, app):
        self.app, self.store = app, app.store

    async def lease(self):
        """What may start now."""
        return list((await self.app.engine.lease(Want(WORKER, ["mail"], 20))).deliveries)

    async def end(self, *deliveries, outcome=None):
        await self.app.engine.settle(WORKER, [Settlement(one, outcome or Ack()) for one in deliveries])

    async def see(self, *oks):
        """A governor looks, and hears of calls that began just now."""

        def decide(one, now, used):
            return advance(one, [Call(now, ok) for ok in oks], now, 0.5, used.running, sent=used.sent)

        return await change(self.store, "smtp", decide)

    async def probing(self):
        """Some run that may hang; then it opens, and is probed."""
        await self.app.engine.extend([Beat(worker=WORKER, lease=600.0)])
        await self.app.registry.tasks["send"].aenqueue_many([()] * 40)
        await change(self.store, "smtp", lambda *_: SMTP)
        hang = await self.lease()
        await change(self.store, "smtp", lambda _, now, __: opened(SMTP, now, now + 60.0, "no connection"))
        assert await self.lease() == []
        await change(self.store, "smtp", _probed)
        return hang


def _probed(one, now, used):
    return probed(one, now, used.running)


def played(app, story):
    async def play():
        async with app:
            return await story(Worker(app))

    return asyncio.run(play())


def test_calls_that_end_while_a_probe_is_out_let_no_other_one_start(app):
    async def story(worker):
        hang = await worker.probing()
        sizes = [len(await worker.lease())]
        for one in hang:
            await worker.end(one)
            sizes.append(len(await worker.lease()))
            await worker.see()
            sizes.append(len(await worker.lease()))
        return len(hang), sizes

    assert played(app, story) == (BOUND, [1, *[0] * 2 * BOUND])


def test_a_probe_that_is_handed_back_or_tells_nothing_gives_way_to_another_and_one_that_succeeds_to_more(app):
    async def story(worker):
        hang = await worker.probing()
        (probe,) = await worker.lease()
        await worker.end(probe, outcome=Release())
        (probe,) = await worker.lease()  # it had not begun
        await worker.end(probe)
        silent = await worker.lease()
        await worker.see(None)
        (probe,) = await worker.lease()
        await worker.end(probe, *hang)
        after = await worker.see(True)
        left = await app.store.meters([probe_of("smtp").name])
        return silent, after.stand, len(await worker.lease()), [one for one in left if one.generation]

    assert played(app, story) == ([], Stand.RAMP, 2, [])
