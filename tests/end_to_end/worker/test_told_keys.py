"""An account of a provider that is told to wait for long, on every engine: its work goes elsewhere, at no attempt.

What becomes of it afterwards, and of what is counted, is in lesson 11 (`tests/fundamentals/test_11_providers.py`).
"""

import asyncio

import pytest

from engines.servers.places import place
from forebay import Context, Forebay
from forebay.config import WorkerOptions
from forebay.provider.steer import listed
from forebay.work.dev import working

LONG, SOON = 7200, 60


class TooMany(Exception):
    """The answer 429, in the shape that clients give it."""

    status_code, headers = 429, {"retry-after": str(LONG)}


@pytest.fixture(params=["memory", "sqlite", "redis", "postgresql"])
def app(request, tmp_path):
    with (
        place(request.param, tmp_path) as (url, namespace),
        Forebay(url, **{"namespace": namespace} if namespace else {}) as made,
    ):
        yield made


def test_an_account_that_is_told_to_wait_for_long_goes_to_the_fallback_at_no_attempt_on_every_engine(app):
    app.provider("big", fallback="small", fallback_after=1)
    app.provider("small")
    asked = []

    @app.task(provider="big", provider_key="account")
    async def ask(account: str, ctx: Context) -> str:
        asked.append((account, ctx.provider))
        if (account, ctx.provider) == ("eu", "big"):
            raise TooMany
        return f"{account} {ctx.provider}"

    handles = [ask.enqueue(account) for account in ["eu"] * 4 + ["us"] * 2]

    async def story():
        async with working(app, WorkerOptions(concurrency=1)):
            answers = [await handle.aresult(timeout=SOON) for handle in handles]
            return answers, {one.name: one for one in await listed(app.store)}

    answers, stands = asyncio.run(story())
    assert sorted(answers) == ["eu small"] * 4 + ["us big"] * 2
    assert asked.count(("eu", "big")) == 1
    assert [key.key for key in stands["big"].keys] == ["eu"]
    assert (stands["big"].stand, stands["big"].failures) == ("closed", 0)
    assert {handle.find().attempt for handle in handles} == {1}
