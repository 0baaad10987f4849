"""Databases of our own on the PostgreSQL of tools/services: one for each measurement, dropped afterwards.

The server runs with its usual settings: each commit is on the disk before it is answered.
"""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).resolve().parents[1] / "tools" / "services"
DURABILITY = "synchronous_commit=on"
_numbers = itertools.count(1)


def url() -> str:
    """The server's; empty if it does not run."""
    done = subprocess.run([SERVICES, "url", "postgres"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@contextmanager
def database() -> Iterator[str]:
    """An empty database, by its URL."""
    import psycopg

    server, name = url(), f"bench_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        run: Any = connection.execute
        run(f"create database {name}")
        run("checkpoint")  # what was before is not written in our time
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            run(f"drop database {name} with (force)")


def version() -> str:
    import psycopg

    with psycopg.connect(url()) as connection:
        row = connection.execute("show server_version").fetchone()
        return str(row[0]) if row else "unknown"
