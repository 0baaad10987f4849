"""Why a queue waits that tells keys apart: a provider that is away is named where its messages wait, nowhere else."""

import asyncio

import pytest

from engines.servers.places import place
from forebay import Forebay
from forebay.model.provider import BREAKER, Place, Provider, lane_of
from forebay.observe.why import why_queue
from forebay.provider.operate import Act, operate
from forebay.provider.steer import change

KINDS = {"ordered": {"ordered": True}, "keyed": {"key_concurrency": 1}, "fair": {"fair": True}}


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def where(request, tmp_path):
    """URL and namespace."""
    with place(request.param, tmp_path) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_a_provider_is_named_where_its_messages_wait(where, kind):
    assert asyncio.run(told(where, kind)) == {"calls": True, "sums": False}


async def told(where, kind):
    """Of two queues with keys, of which one waits for a provider that is away: whether that is told of each."""
    url, namespace = where
    app = Forebay(url, **({"namespace": namespace} if namespace else {}))
    app.provider("smtp")
    for name in ("calls", "sums"):
        app.queue(name, **KINDS[kind])

    @app.task(queue="calls", provider="smtp")
    def call() -> None: ...

    @app.task(queue="sums")
    def add() -> None: ...

    lane = lane_of("smtp", cpu=False)
    async with app:
        await call.using(key="t7").aenqueue()
        await add.using(key="t7").aenqueue()
        row = Provider(name="smtp", places=(Place("calls", lane), Place("sums", lane)))
        await change(app.store, "smtp", lambda *_: row)
        await operate(app.store, "smtp", Act.OPEN, "me")
        found = {}
        for name in ("calls", "sums"):
            await app.store.close_gate(name, lane, "no connection", BREAKER)
            (depth,) = await app.aqueues(name)
            reasons = await why_queue(app.engine, app.store, depth, lease=15.0, app="m:app")
            found[name] = any("smtp" in reason.text for reason in reasons)
    return found
