"""The address of a Sentinel, which many a setup hands out: it is told as one."""

import subprocess

import pytest

from engines.servers import own_redis
from fleet import until
from forebay import Forebay
from forebay.config import Settings
from forebay.engine.redis.address import Address
from forebay.engine.redis.checks import ServerChecks
from forebay.model.errors import EngineRefused
from forebay.model.finding import Level


@pytest.fixture
def sentinel(tmp_path):
    server = own_redis.OwnRedis(tmp_path)
    conf = tmp_path / "conf"
    conf.write_text(f"port {server.port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor shop 127.0.0.1 1 2\n")
    with subprocess.Popen([server.program, conf, "--sentinel"], stdout=subprocess.DEVNULL) as process:
        until(server._answers, "a Sentinel")
        yield server
        process.kill()


def test_a_sentinel_is_told_as_one_with_what_to_write_instead(sentinel):
    with pytest.raises(EngineRefused, match=r"it is a Sentinel.*leads to the primary"), Forebay(sentinel.url):
        pass
    (found,) = ServerChecks(Address(Settings(url=sentinel.url))).examine()
    assert (found.level, "a Sentinel" in found.text) == (Level.FAIL, True)
