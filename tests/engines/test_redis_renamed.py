"""A server from which somebody has taken a command (`rename-command`) is refused before anything is written there.

A script that meets such a command half-way is not undone: what it had written would stay, refused and half there.
"""

import contextlib

import pytest

from engines.servers import own_redis
from forebay import EngineRefused, Forebay
from forebay.engine.redis.address import Address
from forebay.engine.redis.checks import ServerChecks
from forebay.model.finding import Level


@contextlib.contextmanager
def running_without(taken, folder):
    """A server that does not know this command."""
    (folder / "redis.conf").write_text(f'rename-command {taken} ""\n')
    with own_redis.running(folder, file=folder / "redis.conf") as server:
        yield server


@pytest.mark.parametrize("taken", ["ZADD", "ZREM", "HINCRBY", "PUBLISH", "EVALSHA", "SCRIPT"])
def test_a_command_that_is_missing_is_named_and_nothing_is_half_done(tmp_path, taken):
    with running_without(taken, tmp_path) as server:
        app = Forebay(server.url)
        with pytest.raises(EngineRefused, match=rf"does not know a command.*{taken}.*rename-command"), app:
            app.publish("q", 1)
        with server.client() as client:
            assert [key for key in client.keys("*") if not key.endswith(b":meta")] == []


@pytest.mark.parametrize("taken", ["FLUSHALL", "KEYS", "DEBUG", "CONFIG"])
def test_what_many_take_away_is_not_missed(tmp_path, taken):
    with running_without(taken, tmp_path) as server:
        app = Forebay(server.url)
        with app:
            app.publish("q", 1)
        assert not [one for one in ServerChecks(Address(server.settings())).examine() if one.level is Level.FAIL]
