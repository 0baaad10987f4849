"""One example app, unchanged, prints the same on every engine: run by the script that lies beside it."""

import os
from pathlib import Path

import starts
from engines.servers.found import url

SCRIPT = Path(__file__).parents[2] / "examples" / "on_every_engine.py"


def test_one_app_prints_the_same_on_every_engine(tmp_path):
    """In memory and on SQLite, and on each server that tests may use."""
    servers = {"postgresql": url("postgres"), "redis": url("redis")}
    urls = [found for found in servers.values() if found]
    done = starts.run([str(SCRIPT), *urls], tmp_path, os.environ, 300, python=())
    names = ["memory", "sqlite", *(name for name, found in servers.items() if found)]
    assert [line.split(maxsplit=1) for line in done.stdout.splitlines()] == [[name, "the same"] for name in names]
    assert done.returncode == 0
