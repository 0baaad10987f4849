"""What an operator sees of an outage in the log: one line when the server is lost, and one when it is back."""

import logging
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import msgspec
import pytest

from engines.servers import own_redis, postgres
from engines.servers.proxy import Proxy
from fleet import Place, until
from forebay.engine.outage import LOGGER, Outage
from forebay.engine.postgres import build
from forebay.engine.redis.policy import Policy
from forebay.engine.registry import backend
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.message import Message

APP = """
from forebay import Forebay
app = Forebay()
@app.task(name="double")
def double(n: int) -> int:
    return 2 * n
"""


def told(caplog):
    return [record.levelname for record in caplog.records if record.name == LOGGER]


@pytest.fixture(autouse=True)
def _hear(caplog):
    caplog.set_level(logging.INFO)


def test_connections_that_were_made_before_are_part_of_the_loss_that_was_told(caplog):
    outage, before = Outage("redis://h/0"), time.monotonic()
    outage.lost("it broke", before)
    outage.lost("it broke as well", before)
    outage.lost("refused")
    outage.back()
    outage.back()
    outage.lost("found out later", before)
    assert told(caplog) == ["WARNING", "INFO"]
    outage.lost("once more", time.monotonic())
    assert told(caplog) == ["WARNING", "INFO", "WARNING"]


def test_a_server_that_lets_nobody_in_anew_is_not_back_because_an_older_connection_still_answers(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("forebay.engine.outage.time", SimpleNamespace(monotonic=lambda: now[0]))
    outage = Outage("postgresql://h/d")
    for _ in range(20):
        outage.lost("session is read-only")
        outage.back(made=50.0)
        now[0] += 0.3
    assert told(caplog) == ["WARNING"]
    outage.back(made=now[0])
    assert told(caplog) == ["WARNING", "INFO"]
    outage.lost("one of them was ended")
    now[0] += 6.0
    outage.back(made=50.0)  # nothing else has failed for a while: that was all
    assert told(caplog) == ["WARNING", "INFO"] * 2


def use(engine):
    """Each connection that an engine has is asked for something."""
    drive(engine.publish([Message(id=f"m{time.monotonic_ns()}", queue="q")]))
    drive(engine.depth())
    drive(engine.recover())
    drive(engine.wait(["q"], 0.05, 0))


def test_a_short_restart_of_postgresql_is_told_once_for_all_connections(caplog):
    settings = postgres.empty()
    where = urlsplit(settings.url)
    proxy = Proxy(where.hostname, where.port)
    url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}").geturl()
    engine = build(msgspec.structs.replace(settings, url=url), SystemClock())
    drive(engine.open())
    try:
        use(engine)
        assert told(caplog) == []
        for count in (1, 2):
            proxy.cut()
            for _ in range(3):
                use(engine)
            until(lambda count=count: told(caplog) == ["WARNING", "INFO"] * count, "the end of the outage")
    finally:
        drive(engine.close())
        proxy.close()


def test_a_short_restart_of_redis_is_told_once_for_all_connections(caplog, tmp_path):
    with own_redis.running(tmp_path) as server:
        engine = backend(server.settings(), SystemClock()).engine
        drive(engine.open())
        use(engine)
        server.kill()
        server.start()
        for _ in range(3):
            use(engine)
        until(lambda: told(caplog) == ["WARNING", "INFO"], "the end of the outage")
        drive(engine.close())


def test_a_policy_that_begins_to_evict_is_told_and_that_it_is_right_again(caplog):
    policy, memory = Policy("redis://h/0"), "# Memory\r\nmaxmemory_policy:{}\r\n"
    for said in ("noeviction", "volatile-ttl", "volatile-ttl", None, "noeviction", "noeviction"):
        policy.look(None if said is None else memory.format(said).encode())
    (lost, back) = caplog.records
    assert "accepted messages may get lost: its maxmemory-policy is volatile-ttl" in lost.message
    assert "noeviction again" in back.message


def test_a_keeper_of_redis_sees_it(caplog, tmp_path):
    with own_redis.running(tmp_path) as server:
        parts = backend(server.settings(), SystemClock())
        drive(parts.engine.open())
        with server.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            drive(parts.inspects.tidy())
            assert "accepted messages may get lost" in caplog.text
            client.config_set("maxmemory-policy", "noeviction")
            drive(parts.inspects.tidy())
            assert "noeviction again" in caplog.text
        drive(parts.engine.close())


def test_the_log_of_a_worker_has_one_line_of_each_however_many_processes_it_is(tmp_path):
    settings = postgres.empty()
    where = urlsplit(settings.url)
    proxy = Proxy(where.hostname, where.port)
    url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}").geturl()
    app = tmp_path / "shop.py"
    app.write_text(APP)
    place = Place(tmp_path, app, url=url, namespace=settings.namespace)
    try:
        with place.fleet("-p", "2") as fleet:
            assert place.crew.double.enqueue(2).result(30) == 4
            proxy.cut()
            until(lambda: "answers again" in fleet.said, "the end of the outage")
            assert place.crew.double.enqueue(3).result(30) == 6
            said = fleet.said
        assert (said.count("lost, and tried again"), said.count("answers again")) == (1, 1)
    finally:
        place.close()
        proxy.close()
