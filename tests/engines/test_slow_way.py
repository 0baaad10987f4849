"""A server that comes back behind a slow way, and one whose way swallows everything: both on PostgreSQL and Redis."""

import time
from urllib.parse import urlsplit

import pytest

from engines.servers.found import needed
from engines.servers.postgres import NAMESPACE
from forebay import Forebay
from forebay.engine import patience
from forebay.model.errors import EngineUnreachable, OutcomeUnknown
from forebay.testing.faults.proxy import Proxy

ENDED = EngineUnreachable, OutcomeUnknown


@pytest.fixture(params=["postgres", "redis"])
def way(request):
    where = urlsplit(needed(request.param))
    user = f"{where.username}@" if where.username else ""
    with Proxy(where.port) as proxy:
        proxy.url = where._replace(netloc=f"{user}127.0.0.1:{proxy.port}").geturl()
        yield proxy


@pytest.fixture
def app(way):
    with Forebay(way.url, namespace=NAMESPACE) as made:
        made.publish("slow-way", b"first")
        yield made
        way.mode, way.delay = "pass", 0.0


def publish(app):
    return app.publish("slow-way", b"one")


def test_who_takes_long_to_connect_is_answered_all_the_same_after_a_long_outage(app, way, monkeypatch):
    monkeypatch.setattr(patience, "DEADLINE", 2.0)
    monkeypatch.setattr(patience, "SHORT", 0.1)
    way.mode = "refuse"
    way.cut()
    with pytest.raises(ENDED):
        publish(app)
    way.mode, way.delay = "pass", 0.05  # several ways there and back until it is connected: longer than SHORT
    assert publish(app).id


def test_a_publish_ends_by_its_deadline_when_all_is_swallowed_while_it_connects(app, way, monkeypatch):
    monkeypatch.setattr(patience, "DEADLINE", 1.0)
    way.mode = "silent"
    way.cut(reset=True)
    started = time.monotonic()
    with pytest.raises(ENDED):
        publish(app)
    assert time.monotonic() - started < 9  # libpq connects for two seconds at the least
