"""A provider was removed in a deploy while messages waited for it: workers that have their tasks run them."""

import asyncio

import pytest
from msgspec.structs import replace

from engines.servers.places import place
from forebay import Forebay
from forebay.flow.breaker import opened
from forebay.model.provider import Place, Provider, Stand, lane_of, meter_of
from forebay.provider.steer import change, listed
from forebay.testing import adrain
from forebay.work.orphans import Orphans

#: How long ago it would have been probed, had anybody looked after it.
LONG = 120.0
SMTP = Provider(name="smtp", places=(Place("mail", lane_of("smtp", cpu=False)),))


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def app(request, tmp_path):
    """With a task and its provider, as before the deploy: what it enqueues waits for the provider."""
    with place(request.param, tmp_path) as (url, namespace):
        app = Forebay(url, **({"namespace": namespace} if namespace else {}))
        app.provider("smtp")
        app.task(queue="mail", name="send", provider="smtp")(_send)
        yield app


def _send() -> str:
    return "sent"


def left(kind, now):
    """The provider as the last worker left it that knew it."""
    if kind == "down":
        return opened(SMTP, now - 2 * LONG, now - LONG, "no connection")
    return replace(SMTP, throttled=now - LONG, throttle="429")


@pytest.mark.parametrize("kind", ["down", "asked to wait"])
def test_what_waits_for_a_provider_that_no_worker_knows_any_more_is_run(app, kind):
    async def story():
        async with app:
            await app.registry.tasks["send"].aenqueue()
            now = await app.store.now()
            earlier = left(kind, now) if kind == "down" else replace(left(kind, now), throttled=now + 60)
            await change(app.store, "smtp", lambda *_: earlier)  # with the gates and slots of then
            row = left(kind, now)
            await change(app.store, "smtp", lambda *_: row)
            await app.store.put_meters([replace(await meter(app), slots=0)])
            yet = [await stand_after(app, *others(app, name)) for name in ("known", "no task", "no queue")]
            after = await stand_after(app, (), app.registry.tasks, ["mail"])
            ran = [ended.task for ended in await adrain(app, "mail")]
            return yet, after, (await meter(app)).slots, [gate.lane for gate in await app.store.gates()], ran

    yet, after, slots, gates, ran = asyncio.run(story())
    before = Stand.OPEN if kind == "down" else Stand.CLOSED
    assert yet == [(before, 0)] * 3, "whoever knows it looks after it; whoever could not run what waits leaves it"
    assert (after, slots, gates, ran) == ((Stand.CLOSED, None), None, [], ["send"])


def others(app, name):
    """Workers that it is not for to act: what they know, their tasks and their queues."""
    tasks = app.registry.tasks
    return {"known": (["smtp"], tasks, ["mail"]), "no task": ((), {}, ["mail"]), "no queue": ((), tasks, ["sums"])}[
        name
    ]


async def stand_after(app, *worker):
    """How it stands, and its slots, when such a worker has looked."""
    await Orphans(app.store, *worker).look()
    (one,) = await listed(app.store)
    return one.stand, (await meter(app)).slots


async def meter(app):
    (found,) = await app.store.meters([meter_of("smtp")])
    return found
