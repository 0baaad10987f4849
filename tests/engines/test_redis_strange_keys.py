"""Something else writes to a key of ours: what fails says so, and `doctor` names the key."""

import pytest

from engines.servers import own_redis
from forebay.engine.contract import Beat, Want
from forebay.engine.redis.address import Address
from forebay.engine.redis.checks import ServerChecks
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock
from forebay.model.errors import EngineError
from forebay.model.finding import Level
from forebay.model.message import Message


@pytest.fixture
def server(tmp_path):
    with own_redis.running(tmp_path) as started:
        yield started


@pytest.mark.parametrize("key", ["m", "q:q", "run"])
def test_a_key_that_was_overwritten_is_named_by_doctor_and_errors_lead_there(server, key):
    backend = build(server.settings(), SystemClock())
    drive(backend.open())
    drive(backend.publish([Message(id="a", queue="q")]))
    assert keys(server) == []
    with server.client() as client:
        client.mset({"another": "app", f"{{forebay}}:{key}": "foo"})
    (finding,) = keys(server)
    assert finding.level is Level.FAIL
    assert finding.text.startswith(f"{{forebay}}:{key} holds a string")
    with pytest.raises(EngineError, match=r"something else has written to a key of ours .*: `forebay doctor` says"):
        use(backend)
    with server.client() as client:
        client.delete(f"{{forebay}}:{key}")
    use(backend)
    assert keys(server) == []
    drive(backend.close())


def use(backend):
    """Verbs that need those keys."""
    drive(backend.depth(["q"]))
    drive(backend.publish([Message(id="b", queue="q")]))
    drive(backend.extend([Beat(worker="w", lease=60)]))
    drive(backend.lease(Want("w", ["q"], 1)))


def test_no_key_of_ours_holds_a_string(server):
    with server.client() as client:
        client.flushall()
    backend = build(server.settings(), SystemClock())
    drive(backend.open())
    drive(backend.publish([Message(id=str(number), queue="q", delay=number) for number in range(5)]))
    assert keys(server) == []
    drive(backend.close())


def keys(server):
    return [one for one in ServerChecks(Address(server.settings())).examine() if one.check == "keys"]
