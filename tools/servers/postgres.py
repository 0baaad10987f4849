"""PostgreSQL, with its usual settings: each commit is on the disk before it is answered."""

import os
import pwd
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from server import CHECKOUT, Server, living, run

#: It refuses to run as root; the package makes this user.
USER = "postgres"


class Postgres(Server):
    """A cluster with one superuser and one database, for loopback only."""

    name = "postgres"
    packages = ("postgresql",)
    programs = ("initdb", "pg_ctl")
    port = 25432

    def program(self, name: str) -> str | None:
        """Debian keeps them off the PATH; the newest there is."""
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
        return shutil.which(name, path=os.pathsep.join([*map(str, reversed(places)), os.environ.get("PATH", "")]))

    @property
    def data(self) -> Path:
        """Below the others, unless its user cannot get there."""
        elsewhere = Path(tempfile.gettempdir()) / f"forebay-postgres-{zlib.crc32(str(CHECKOUT).encode()):08x}"
        return self.home / "data" if _reaches(self.home) else elsewhere

    def start(self) -> None:
        """Make the cluster the first time."""
        user = _user()
        data = self.data
        if not (data / "PG_VERSION").exists():
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(mode=0o700)
            if user:
                shutil.chown(data, user, user)
            run([self.program("initdb"), "--pgdata", str(data), "--username", "forebay", "--auth", "trust",
                 "--encoding", "UTF8", "--locale", "C"], cwd="/", **_as(user))  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": self.chosen_port(), "unix_socket_directories": "",
            "max_connections": 300,
        }  # fmt: skip
        words = " ".join(f"-c {key}={value}" for key, value in options.items())
        log = data / "log"
        run([self.program("pg_ctl"), "start", "--no-wait", "--silent", "--pgdata", str(data), "--log", str(log),
             "--options", words], cwd="/", **_as(user))  # fmt: skip

    def greets(self) -> bool:
        """It answers to a greeting for a database that everybody has, with R, once it lets people in."""
        fields = b"user\0forebay\0database\0postgres\0\0"
        return self.talk(struct.pack(">ii", len(fields) + 8, 196608) + fields).startswith(b"R")

    def url(self) -> str:
        """The database that everybody has."""
        return f"postgresql://forebay@127.0.0.1:{self.chosen_port()}/postgres"

    def pid(self) -> int | None:
        """From its own file."""
        return living(self.data / "postmaster.pid", "postgres")


def _user() -> str | None:
    """Whom it runs as: somebody else if we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return "nobody"


def _as(user: str | None) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def _reaches(folder: Path) -> bool:
    """Whether that user gets to a folder, made or yet to be made: each above it that is there lets others pass."""
    return _user() is None or all(place.stat().st_mode & 0o001 for place in folder.parents if place.exists())
