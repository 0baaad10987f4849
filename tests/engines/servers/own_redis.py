"""A Redis of a test's own, for what cannot be done to one that others use: kill, freeze, fill it, set it up wrong."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from forebay.config import Settings
from forebay.testing.ports import free_port

PATIENCE = 60.0


class OwnRedis:
    """One server process; what it holds outlives it."""

    def __init__(self, folder):
        self.program = shutil.which("redis-server") or shutil.which("valkey-server")
        if self.program is None:
            why = "no redis-server on the PATH: tools/services up redis installs one"
            pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
        self._folder = folder
        self.port, self._process, self.file = free_port(), None, None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def settings(self, **more):
        return Settings(url=self.url, **more)

    def start(self, **options):
        words = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "appendonly": "yes",
            "appendfsync": "always",  # so that what it has answered outlives a kill at any moment
            "save": "",
            **options,
        }
        args = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        self._process = subprocess.Popen([self.program, *filter(None, [self.file]), *args], stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < end, f"redis-server does not start at {self.port}: {self._process.poll()}"
            time.sleep(0.02)
        return self

    def _answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as one:
            one.sendall(b"PING\r\n")
            return one.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def frozen(self):
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def client(self, **more):
        import redis

        return contextlib.closing(redis.Redis(port=self.port, protocol=2, **more))


@contextlib.contextmanager
def running(folder, file=None, **options):
    """One that runs, and is gone afterwards; with a configuration file of its own, if one is given."""
    server = OwnRedis(folder)
    server.file = file
    try:
        yield server.start(**options)
    finally:
        server.kill()
