"""The clocks of this host and of its server: everything is due by the server's, and `doctor` says if they differ."""

import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from engines.servers import postgres, redis
from forebay.engine.postgres import checks as of_postgres
from forebay.engine.redis import checks as of_redis
from forebay.engine.redis.address import Address
from forebay.model.finding import Level

SERVERS = {
    "postgres": (of_postgres, lambda: nullcontext(postgres.empty()), of_postgres.ServerChecks),
    "redis": (of_redis, redis.empty, lambda settings: of_redis.ServerChecks(Address(settings))),
}


@pytest.fixture(params=SERVERS)
def found(request, monkeypatch):
    """What is found of clocks, by a host whose own is so many seconds ahead."""
    module, empty, checks = SERVERS[request.param]
    with empty() as settings:

        def look(ahead):
            fake = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=time.monotonic)
            monkeypatch.setattr(module, "time", fake)
            return [one for one in checks(settings).examine() if one.check == "clock"]

        yield look


@pytest.mark.parametrize(("ahead", "says"), [(3600, "behind this host's"), (-86_400, "ahead of this host's")])
def test_a_host_whose_clock_is_wrong_is_told_by_how_much(found, ahead, says):
    (finding,) = found(ahead)
    assert finding.level is Level.WARN
    assert finding.text.endswith(says)
    seconds = float(finding.text.removeprefix("the server's is ").partition(" s ")[0])
    assert seconds == pytest.approx(abs(ahead), abs=60)
    assert "NTP" in finding.advice


def test_of_clocks_that_agree_nothing_is_said(found):
    assert found(0) == []
