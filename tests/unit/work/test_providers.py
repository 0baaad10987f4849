"""What becomes of a message that was leased, by what this worker has last seen of its provider."""

import pytest
from msgspec.structs import replace

from forebay import Forebay
from forebay.model.delivery import Delivery
from forebay.model.outcome import Release
from forebay.model.provider import Provider, Stand
from forebay.work.providers import Providers

NOW = 1_000.0
CLOSED = Provider(name="smtp")
OPEN = replace(CLOSED, stand=Stand.OPEN, until=NOW + 5, down=NOW - 60)


def looking(seen):
    app = Forebay("memory://")
    app.provider("smtp")

    @app.task(provider="smtp")
    async def send() -> None: ...

    providers = Providers(app.registry.providers)
    providers.view["smtp"] = seen
    return providers, send


def held(seen, now=NOW):
    providers, send = looking(seen)
    return providers.held(send, Delivery(1, "a", "default", "send", b"", 1, 1, lane="smtp"), now)


@pytest.mark.parametrize(
    "seen",
    [OPEN, replace(OPEN, until=None), replace(CLOSED, throttled=NOW + 1), replace(OPEN, until=NOW, throttled=NOW + 1)],
    ids=["open", "open by hand", "asked to wait", "to be probed, and asked to wait"],
)
def test_one_whose_provider_is_not_to_be_asked_is_handed_back(seen):
    assert isinstance(held(seen), Release)


def test_one_that_is_handed_out_when_the_pause_is_over_is_the_probe_that_others_have_let_go():
    providers, send = looking(OPEN)
    probe = Delivery(1, "a", "default", "send", b"", 1, 1, lane="smtp")
    assert providers.held(send, probe, NOW + 5) is None
    assert providers.view["smtp"].stand is Stand.HALF_OPEN, "so that what it comes to is told as that of a probe"


def test_one_that_is_handed_out_to_be_found_dead_is_no_probe():
    assert isinstance(held(replace(OPEN, burying=True, until=NOW)), Release)
