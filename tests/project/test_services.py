"""tools/services: real servers, started by a word, with what they hold kept from one start to the next."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
#: As it stands in the tool. A server of another checkout may run there.
PORT = "port = 26379"


@pytest.fixture
def services(tmp_path):
    """The command in a checkout of its own, on a port that nobody has; whatever it started is stopped afterwards."""
    if not (shutil.which("redis-server") or shutil.which("valkey-server")):
        pytest.skip("neither redis-server nor valkey-server is installed here (tools/services up redis)")
    shutil.copytree(TOOLS, tmp_path / "tools")
    form = tmp_path / "tools/servers/redis.py"
    usual = form.read_text()
    with socket.create_server(("127.0.0.1", 0)) as free:
        form.write_text(usual.replace(PORT, f"port = {free.getsockname()[1]}"))
    assert form.read_text() != usual

    def run(*words):
        command = [tmp_path / "tools/services", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")

    run.home = tmp_path / ".services"
    with socket.socket() as free:  # another checkout of this machine may have a server on the usual one
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (run.home / "redis").mkdir(parents=True)
    (run.home / "redis/port").write_text(port)
    yield run
    run("down", "redis")


def ask(url, *words):
    answer = subprocess.run(["redis-cli", "-u", url, *words], capture_output=True, text=True, timeout=60, check=True)
    return answer.stdout.strip()


def test_a_server_that_is_killed_comes_back_with_all_it_had_answered_for(services):
    started = services("up", "redis")
    assert started.returncode == 0, started.stdout
    url = services("url", "redis").stdout.strip()
    assert url in started.stdout
    assert ask(url, "set", "key", "value") == "OK"
    os.kill(int((services.home / "redis/pid").read_text()), signal.SIGKILL)
    assert services("up", "redis").returncode == 0
    assert ask(services("url", "redis").stdout.strip(), "get", "key") == "value"


def test_two_who_start_a_server_at_once_get_the_same_one(services):
    command = [services.home.parent / "tools/services", "up", "redis"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert len(said) == 1
    assert [process.returncode for process in both] == [0, 0]


def test_what_does_not_run_has_no_url_and_a_wrong_name_is_one_clear_error(services):
    assert services("status", "redis").returncode == 1
    gone, wrong = services("url", "redis"), services("up", "reddis")
    assert gone.returncode == 1
    assert "not running: tools/services up redis" in gone.stderr
    assert wrong.returncode == 2
    assert "no server is called 'reddis'" in wrong.stderr


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_a_fresh_checkout_says_what_to_start(tmp_path, name):
    shutil.copytree(TOOLS, tmp_path / "tools")
    command = [tmp_path / "tools/services", "url", name]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode != 0
    assert answer.stderr.strip() == f"error: {name} is not running: tools/services up {name}"
