"""The server's host is gone without a word: no verb waits for its answer for longer than it promises, at either end."""

import asyncio
import time
from urllib.parse import urlsplit

import msgspec
import pytest

from engines.servers import postgres
from engines.servers.proxy import Proxy
from forebay.engine import patience
from forebay.engine.backend import verbs
from forebay.engine.contract import Beat, Want
from forebay.engine.postgres import build
from forebay.engine.postgres.address import DEFAULTS, address
from forebay.engine.postgres.wire import Wire
from forebay.engine.registry import backend
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.message import Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Settlement
from forebay.model.queue import QueueSpec
from forebay.store.records import Choice, Query, Schedule, Steered

#: Seconds that a verb tries here, and that a connection is tried; and that both may take together, on a busy host.
DEADLINE, CONNECT, BOUND = 1.0, 2, 16.0
ONE = Schedule(name="s", cron="* * * * *", tz="UTC", message=Message(id="m", queue="q"))


def calls(delivery):
    """What each verb is called with."""
    return {
        "declare": [[QueueSpec(name="q")]], "depth": [], "extend": [[Beat(worker="w", lease=60)]],
        "lease": [Want("w", ["q"], 1)], "publish": [[Message(id="n", queue="q")]], "recover": [["x"]],
        "settle": ["w", [Settlement(delivery, Ack())]], "wait": [["q"], 0.2, 0], "find": [["m"]],
        "progress": [delivery, b"\x80"], "watch": [["m"], 0.2], "ahead": ["m"], "cancel": [["m"]],
        "cancel_all": [Choice(queue="q")], "ending": ["m"], "held": ["w"], "latest": [1], "messages": [Query()],
        "charge_meter": ["x", 1.0], "tidy": [], "purge": [Choice(queue="q")], "redrive": [Choice(queue="q")],
        "close_gate": ["q"], "gates": [], "open_gate": ["q"], "drop_meters": [["x"]], "meters": [],
        "put_meters": [[Meter(name="x")]],
        "drop_schedules": [["s"]], "fire": ["s", 1.0, 2.0, []], "now": [], "pause_schedule": ["s", True],
        "put_schedules": [[ONE]], "schedules": [], "workers": [], "audits": [], "note": ["a", "v", "t"],
        "steer": [[Steered(name="s", body=b"")]], "steered": [],
    }  # fmt: skip


@pytest.fixture
def proxy():
    where = urlsplit(postgres.empty().url)
    made = Proxy(where.hostname, where.port)
    yield made
    made.close()


def through(proxy):
    settings = postgres.settings()
    where = urlsplit(settings.url)
    url = where._replace(netloc=f"{where.username}@127.0.0.1:{proxy.port}", query=f"connect_timeout={CONNECT}")
    return msgspec.structs.replace(settings, url=url.geturl())


@pytest.mark.parametrize("mode", ["mute", "hang"])
def test_every_verb_ends_in_time(mode, proxy, monkeypatch):
    monkeypatch.setattr(patience, "DEADLINE", DEADLINE)
    made = backend(through(proxy), SystemClock())
    drive(made.engine.open())
    drive(made.engine.extend([Beat(worker="w", lease=1e6)]))
    drive(made.engine.publish([Message(id="m", queue="q")]))
    (delivery,) = drive(made.engine.lease(Want("w", ["q"], 1))).deliveries
    asked, known = calls(delivery), dict(verbs(made))
    assert set(asked) == set(known) - {"open", "close"}

    async def together():
        async def timed(name):
            began = time.monotonic()
            await asyncio.wait([asyncio.ensure_future(known[name](*asked[name]))], timeout=4 * BOUND)
            return name, time.monotonic() - began

        return dict(await asyncio.gather(*map(timed, asked)))

    proxy.mode = mode
    took = asyncio.run(together())
    late = {name: round(seconds, 1) for name, seconds in took.items() if seconds > BOUND}
    proxy.mode = "pass"
    proxy.cut()
    drive(made.engine.close())
    assert late == {}


def test_both_ends_find_out_by_themselves_that_the_other_is_gone():
    """Each connection of ours, whatever it is for; within 20 seconds, where a kernel alone takes two hours."""
    where = address(postgres.empty())
    assert all(word in where.conninfo for word in ("keepalives=1", "keepalives_idle=10", "tcp_user_timeout=10000"))
    assert DEFAULTS["keepalives_idle"] + DEFAULTS["keepalives_interval"] * DEFAULTS["keepalives_count"] < 20
    for purpose, durability in (("publisher", "full"), ("worker", "normal"), ("reader", ""), ("news", "")):
        wire = Wire(where, purpose, time.monotonic() + 10, durability=durability)
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        shown = [wire.rows(f"show {name}")[0][0] for name in names]
        wire.close()
        assert shown == ["10", "3", "3", "10000"], purpose


def test_an_engine_that_cannot_be_opened_says_so_in_time(proxy, monkeypatch):
    monkeypatch.setattr("forebay.engine.postgres.database.OPENING", DEADLINE)
    proxy.mode = "hang"
    began = time.monotonic()
    with pytest.raises(Exception, match="see whether the server is up"):
        drive(build(through(proxy), SystemClock()).open())
    assert time.monotonic() - began < BOUND
