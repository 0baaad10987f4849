"""A Redis server of our own: loopback only, a random free port, its files in the room, ended by its own process handle.

It keeps nothing on disk (`save ""`, `appendonly no`), the quickest setting there is, or appends to its file and syncs
it once a second, as a server of messages should.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.testing.ports import free_port

PROGRAM = shutil.which("redis-server")
MISSING = "redis-server is not installed; `apt-get install redis-server` (or `brew install redis`) brings it"
DURABILITY = "none (Redis without persistence)"
APPENDS = "appendonly, synced each second"


@contextmanager
def server(folder: Path, *, appends: bool = False) -> Iterator[int]:
    """Run a Redis server and yield its port."""
    if PROGRAM is None:
        raise FileNotFoundError(MISSING)
    port = free_port()
    keeping = ["--appendonly", "yes", "--appendfsync", "everysec"] if appends else ["--appendonly", "no"]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", *keeping]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *options], stdout=log, stderr=log)
    try:
        _wait_until_open(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_open(port: int, patience: float = 5.0) -> None:
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"redis-server did not open port {port} within {patience} s")
