"""The servers that trials stand on: Redis (or Valkey) and PostgreSQL, each set up to keep what it has answered."""

import contextlib
import os
import pwd
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forebay.testing.faults.ground import NotHere, Server

#: PostgreSQL refuses to run as root; its package makes this user.
_USER = "postgres"


class Redis(Server):
    """Appends to its file, and syncs that before it answers (`fsync` "always"), or every second ("everysec")."""

    name, package = "redis", "redis-server"
    fsync = "always"

    def url_at(self, port: int, host: str = "127.0.0.1") -> str:
        """Its first database."""
        return f"redis://{host}:{port}/0"

    def url_by(self, sockets: Path) -> str:
        """The same."""
        return f"unix://{sockets}/redis"

    def options(self) -> dict[str, Any]:
        """Its settings."""
        options: dict[str, Any] = {
            "port": self.port, "bind": self.listens, "dir": self.folder, "appendonly": "yes", "appendfsync": self.fsync,
            "save": "", "maxmemory-policy": "noeviction",
        }  # fmt: skip
        if self.sockets is not None:
            options |= {"unixsocket": self.sockets / "redis", "protected-mode": "no"}
        return options

    def command(self) -> tuple[list[str], Mapping[str, Any]]:
        """In the trial's folder."""
        options = self.options()
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return [self.program("redis-server", "valkey-server"), *words], {}

    def greets(self) -> bool:
        """It may still be loading what it holds."""
        return self.talk(b"PING\r\n").startswith(b"+PONG")


class EverySecond(Redis):
    """What its crash may take back: about a second, two if its disk is slow."""

    fsync, window = "everysec", 2.0


class Postgres(Server):
    """A cluster with its usual settings: each commit is on the disk before it is answered."""

    name, package = "postgres", "postgresql"
    leave = signal.SIGINT  # it ends the connections, and does not wait for who has them

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._above: Path | None = None  # where its user gets to, which is seldom the trial's folder

    def url_at(self, port: int, host: str = "127.0.0.1") -> str:
        """The database that everybody has."""
        trusted = "" if host == "127.0.0.1" else "?sslmode=disable"
        return f"postgresql://forebay@{host}:{port}/postgres{trusted}"

    def url_by(self, sockets: Path) -> str:
        """The same."""
        return f"postgresql://forebay@/postgres?host={sockets}&port={self.port}"

    def command(self) -> tuple[list[str], Mapping[str, Any]]:
        """Makes the cluster the first time."""
        bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: -int(place.parent.name))
        path = os.pathsep.join([*map(str, bins), os.environ.get("PATH", "")])
        server = self.program("postgres", path=path)
        how = {"cwd": "/", **_as(_user())}
        if self._above is None:
            self._above = _made(self.program("initdb", path=path), how)
            if self.sockets is not None:
                self._let_in(self._above, self.sockets, how)
        options = {
            "listen_addresses": self.listens, "port": self.port, "max_connections": 200,
            "unix_socket_directories": self.sockets or "",
        }  # fmt: skip
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [server, "-D", str(self._above / "data"), *words], how

    def _let_in(self, above: Path, sockets: Path, how: Mapping[str, Any]) -> None:
        """Whoever comes from a host beside it, and by the socket in this folder."""
        with (above / "data" / "pg_hba.conf").open("a") as hba:
            hba.write("host all all all trust\n")
        if user := how.get("user"):
            shutil.chown(sockets, user)

    def greets(self) -> bool:
        """It answers to a greeting for a database that everybody has, with R, once it lets people in."""
        fields = b"user\0forebay\0database\0postgres\0\0"
        return self.talk(struct.pack(">ii", len(fields) + 8, 196608) + fields).startswith(b"R")

    def close(self) -> None:
        """End it, and take away what it held."""
        super().close()
        if self._above is not None:
            shutil.rmtree(self._above, ignore_errors=True)


def _made(initdb: str, how: Mapping[str, Any]) -> Path:
    """A folder with a new cluster in it."""
    above = Path(tempfile.mkdtemp(prefix="forebay-postgres-"))
    if user := how.get("user"):
        shutil.chown(above, user)
    words = [initdb, "--pgdata", str(above / "data"), "--no-sync", "--username", "forebay", "--auth", "trust"]
    done = subprocess.run(
        [*words, "--encoding", "UTF8", "--locale", "C"], capture_output=True, text=True, check=False, **how
    )
    if done.returncode:
        raise NotHere(f"initdb failed: {done.stderr.strip()[-200:]}")
    return above


def _user() -> str | None:
    """Whom it runs as: somebody else if we are root."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_USER).pw_name
    return "nobody"


def _as(user: str | None) -> dict[str, Any]:
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
