"""The store's clock is set back while a provider is left alone: it is asked again when it was to be, not later."""

import asyncio
import time

import pytest

from engines.servers.places import place
from forebay import Forebay
from forebay.engine.contract import Beat, Want
from forebay.flow.breaker import advance, opened, probed
from forebay.model.gate import THROTTLE
from forebay.model.outcome import Ack, Settlement
from forebay.model.provider import Call, Place, Provider, Stand, Terms, keyed, lane_of
from forebay.provider.steer import change, listed
from forebay.testing import ManualClock

WORKER, LANE, HOURS = "w" * 32, lane_of("smtp", cpu=False), 5 * 3600.0
SMTP = Provider(name="smtp", terms=Terms(concurrency=8, ramp=3.0), places=(Place("mail", LANE),))


class Story:
    """An app whose clock is set by hand, and a worker that leases, settles and governs by hand."""

    def __init__(self, url, namespace):
        self.clock = ManualClock(time.time())
        self.app = Forebay(url, clock=self.clock, **({"namespace": namespace} if namespace else {}))
        self.app.provider("smtp", concurrency=8)
        self.send = self.app.task(queue="mail", name="send", provider="smtp")(_send)
        self.store = self.app.store

    async def begin(self):
        await self.app.engine.extend([Beat(worker=WORKER, lease=600.0)])
        await self.send.aenqueue_many([()] * 40)
        await change(self.store, "smtp", lambda *_: SMTP)

    async def lease(self):
        return list((await self.app.engine.lease(Want(WORKER, ["mail"], 20))).deliveries)

    async def end(self, *deliveries):
        await self.app.engine.settle(WORKER, [Settlement(one, Ack()) for one in deliveries])

    async def see(self, *calls):
        """A governor looks, and hears of these calls."""

        def decide(one, now, used):
            return advance(one, calls, now, 0.5, used.running, sent=used.sent)

        return await change(self.store, "smtp", decide, anew=True)

    async def well(self, *deliveries):
        """These calls have ended well."""
        await self.end(*deliveries)
        return await self.see(*[Call(self.clock.now(), True)] * len(deliveries))


def _send() -> None:
    """Never run here."""


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def story(request, tmp_path):
    with place(request.param, tmp_path) as (url, namespace):
        yield Story(url, namespace)


def played(story, plot):
    async def play():
        async with story.app:
            await story.begin()
            return await plot()

    return asyncio.run(play())


def test_one_that_is_open_is_probed_when_it_was_to_be(story):
    async def plot():
        now = story.clock.now()
        await change(story.store, "smtp", lambda *_: opened(SMTP, now, now + 5.0, "no connection"))
        story.clock.wall -= HOURS
        stands = [(await story.see()).stand, len(await story.lease())]
        story.clock.advance(5.1)
        return [*stands, (await story.see()).stand, len(await story.lease())]

    assert played(story, plot) == [Stand.OPEN, 0, Stand.HALF_OPEN, 1]


def test_a_probe_that_succeeds_then_counts_and_so_does_each_step_of_the_ramp(story):
    async def plot():
        await change(story.store, "smtp", lambda _, now, used: probed(SMTP, now, used.running))
        story.clock.wall -= HOURS
        await story.see()
        sizes, stands = list[int](), list[Stand]()
        for _ in range(3):
            began = await story.lease()
            story.clock.advance(2.0)
            stands.append((await story.well(*began)).stand)
            sizes.append(len(began))
        return sizes, stands

    assert played(story, plot) == ([1, 2, 4], [Stand.RAMP, Stand.RAMP, Stand.CLOSED])


def test_a_ramp_goes_on(story):
    async def plot():
        await change(story.store, "smtp", lambda _, now, used: probed(SMTP, now, used.running))
        assert (await story.well(*await story.lease())).stand is Stand.RAMP
        story.clock.wall -= HOURS
        await story.see()
        for _ in range(2):
            began = await story.lease()
            story.clock.advance(2.0)
            one = await story.well(*began)
        return one.stand

    assert played(story, plot) is Stand.CLOSED


def test_one_that_has_asked_to_wait_is_asked_after_that_time(story):
    async def plot():
        await story.see(Call(story.clock.now(), None, until=story.clock.now() + 5.0, reason="429"))
        story.clock.wall -= HOURS
        await story.see()
        sizes = [len(await story.lease())]
        story.clock.advance(5.1)
        await story.see()
        return [*sizes, len(await story.lease()), await story.store.gates()]

    assert played(story, plot) == [0, 8, []]


def test_a_key_that_was_told_to_wait_is_asked_after_that_time(story):
    async def plot():
        lane = keyed(LANE, "eu")
        await story.store.close_gate("mail", lane, "429", THROTTLE, story.clock.now() + 5.0)
        await story.store.close_gate("mail", keyed("other", "eu"), "429", THROTTLE, story.clock.now() + 5.0)
        story.clock.wall -= HOURS
        await story.see()
        shut = [gate.lane for gate in await story.store.gates()]
        story.clock.advance(5.1)
        await story.see()
        (one,) = await listed(story.store)
        return lane in shut, [gate.lane for gate in await story.store.gates()], one.stand

    assert played(story, plot) == (True, [keyed("other", "eu")], Stand.CLOSED)
