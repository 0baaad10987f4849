"""What is read out of a URL and out of a server's own words, without a server."""

import re

import pytest

from engines.servers import redis
from forebay.config import Settings
from forebay.engine.redis.address import Address
from forebay.engine.redis.checks import _buffers, _memory
from forebay.engine.redis.scripts import scripts
from forebay.engine.redis.server import Said, evicts, window
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import ConfigError
from forebay.model.finding import Level
from forebay.model.message import Message

SCRIPTS = sorted(scripts())


@pytest.mark.parametrize(
    "url",
    [
        "redis:foo",
        "redis://",
        "redis:///0",
        "redis://h:99999/0",
        "redis://h/abc",
        "redis://h/0/1",
        "redis://h/0?protocol=3",
        "redis://h/0?password=zzz",
        "redis://h/0?socket_timeout=1",
        "unix:///s?nothing=1",
        "unix:///s?db=two",
        "unix:///s?ssl_cert_reqs=none",
    ],
)
def test_a_url_that_cannot_work_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        Address(Settings(url=url))
    assert "zzz" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "goes_to"),
    [
        ("redis://h/0", {"host": "h", "port": 6379, "db": 0}),
        ("redis://u:p@h:1/3", {"host": "h", "port": 1, "db": 3, "username": "u", "password": "p"}),
        ("redis://[::1]:1", {"host": "::1", "port": 1, "db": 0}),
        ("rediss://h", {"host": "h", "port": 6379, "db": 0}),
        ("valkey://h/1", {"host": "h", "port": 6379, "db": 1}),
        ("unix:///tmp/s", {"path": "/tmp/s", "db": 0}),
        ("unix://u%40:p%2F@/tmp/s?db=2", {"path": "/tmp/s", "db": 2, "username": "u@", "password": "p/"}),
    ],
)
def test_a_url_that_can_work_is_taken(url, goes_to):
    made = Address(Settings(url=url)).connection()
    assert {name: getattr(made, name) for name in goes_to} == goes_to


def test_who_writes_the_number_of_the_database_as_an_option_is_told_where_it_stands():
    with pytest.raises(ConfigError, match="stands behind the host: redis://user:password@host:6379/0"):
        Address(Settings(url="redis://h?db=3"))


def test_certificates_are_verified_unless_somebody_says_otherwise():
    made = Address(Settings(url="rediss://h/0")).connection()
    assert (made.cert_reqs.name, made.check_hostname) == ("CERT_REQUIRED", True)
    loose = Address(Settings(url="rediss://h/0?ssl_cert_reqs=none")).connection()
    assert loose.cert_reqs.name == "CERT_NONE"


def test_a_durability_that_the_engine_does_not_choose_is_refused():
    with pytest.raises(ConfigError, match="appendfsync"):
        Address(Settings(url="redis://h/0", durability="normal"))


@pytest.mark.parametrize(
    ("info", "config", "seconds"),
    [
        ({"aof_enabled": "1"}, {"appendfsync": "always"}, 0.0),
        ({"aof_enabled": "1"}, {"appendfsync": "everysec"}, 2.0),
        ({"aof_enabled": "1"}, {}, 2.0),
        ({"aof_enabled": "1"}, {"appendfsync": "no"}, 30.0),
        ({"aof_enabled": "0"}, {"save": "3600 1 300 100"}, 3600.0),
        ({"aof_enabled": "0"}, {"save": ""}, None),
        ({"aof_enabled": "0"}, {}, None),
    ],
)
def test_what_a_crash_may_cost_follows_from_the_servers_settings(info, config, seconds):
    assert window(Said(info, config)).seconds == seconds


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"])
def test_every_policy_that_throws_away_is_refused(policy):
    assert "noeviction" in evicts(Said({"maxmemory_policy": policy}, {}))
    assert evicts(Said({"maxmemory_policy": "noeviction"}, {})) == ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_takes_and_sets_no_global(name):
    text = scripts()[name].text.decode()
    assert re.search(rf"^-- {name}: ", text, re.MULTILINE), "its first line of words begins with its name"


def test_all_keys_of_a_namespace_have_its_tag_and_end_with_it():
    with redis.empty() as settings, redis.client() as server:
        before = {key for key in server.scan_iter(count=1000) if settings.namespace.encode() in key}
        backend = build(settings, SystemClock())
        drive(backend.open())
        drive(backend.publish([Message(id="m", queue="q", key="k", unique="u", delay=5), Message(id="n", queue="q")]))
        keys = {key for key in server.scan_iter(count=1000) if settings.namespace.encode() in key}
        assert before == set()
        assert all(key.startswith(b"{%b}:" % settings.namespace.encode()) for key in keys)
        drive(backend.close())


@pytest.mark.parametrize(
    ("used", "most", "level", "says"),
    [
        (3, 0, Level.OK, "3 MiB in use, no maxmemory"),
        (3, 10, Level.OK, "3 MiB in use of 10 MiB"),
        (9, 10, Level.WARN, "9 MiB in use of 10 MiB: at the end of it new messages are refused"),
        (10, 10, Level.FAIL, "10 MiB in use of 10 MiB: new messages are refused"),
        (12, 10, Level.FAIL, "12 MiB in use of 10 MiB: new messages are refused"),
    ],
)
def test_doctor_fails_for_a_server_that_is_full_and_warns_of_one_that_nearly_is(used, most, level, says):
    finding = _memory(Said({"used_memory": str(used * 2**20), "maxmemory": str(most * 2**20)}, {}))
    assert (finding.level, finding.text.startswith(says)) == (level, True)


@pytest.mark.parametrize(
    ("normal", "pubsub", "says"),
    [
        ("0 0 0", "33554432 8388608 60", []),
        ("2048 1024 1", "33554432 8388608 60", ["of normal clients is 1,024 bytes"]),
        ("1048576 0 0", "1024 1024 1", ["of normal clients is 1,048,576 bytes", "of pubsub clients is 1,024 bytes"]),
        ("1073741824 536870912 60", "0 0 0", []),
    ],
)
def test_doctor_warns_of_a_server_that_ends_connections_over_long_answers(normal, pubsub, says):
    limits = f"normal {normal} slave 268435456 67108864 60 pubsub {pubsub}"
    findings = list(_buffers(Said({}, {"client-output-buffer-limit": limits})))
    assert [finding.level for finding in findings] == [Level.WARN] * len(says)
    assert [text in finding.text for text, finding in zip(says, findings, strict=True)] == [True] * len(says)
    assert list(_buffers(Said({}, {}))) == [], "one that does not tell"
