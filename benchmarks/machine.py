"""The head of the report: on what the figures were taken, with which versions, and what each contender promises."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from benchmarks import postgres, redis
from benchmarks.contender import NEWER, PEERS, Contender
from benchmarks.room import base, filesystem
from benchmarks.table import lay_out


def facts() -> dict[str, str]:
    """The machine."""
    kind, options = filesystem(base())
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "cpu": _cpu_model(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{_distribution()}, kernel {platform.release()}, {platform.machine()}",
        "filesystem": f"{kind} ({options})" if options else kind,
        "load before the run": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def versions(contenders: Sequence[Contender]) -> dict[str, str]:
    """Every package that takes part, the SQLites below them, and Redis."""
    names = sorted({package for contender in contenders for package in contender.packages})
    found = {name: _version(name) for name in names}
    servers = {contender.server for contender in contenders}
    if "" in servers:
        found["SQLite of Python"] = sqlite3.sqlite_version
    if servers & {"redis", "redis aof"}:
        found["redis-server"] = _redis_version()
    if "postgres" in servers:
        found["PostgreSQL"] = postgres.version()
    return found


def missing(contender: Contender) -> str | None:
    """Why a contender cannot take part, or None if it can."""
    absent = [name for name in contender.packages[:1] if _version(name) == "not installed"]
    if absent:
        return (
            f"{absent[0]} is not installed; `make bench`, `make bench-redis` and `make bench-postgres` bring the peers"
        )
    if contender.server == "postgres" and not postgres.url():
        return "PostgreSQL does not run; `tools/services up postgres` starts it"
    return redis.MISSING if contender.server.startswith("redis") and redis.PROGRAM is None else None


def head(contenders: Sequence[Contender]) -> str:
    """The whole head as text."""
    machine = [["machine", ""], *([name, text] for name, text in facts().items())]
    packages = ", ".join(f"{name} {number}" for name, number in versions(contenders).items())
    rows = [[c.name, c.setting, c.durability] for c in contenders]
    return "\n".join(
        [
            lay_out(machine),
            "",
            f"Versions: {packages}",
            "",
            lay_out([["contender", "set-up", "promise"], *rows]),
        ]
    )


def _version(package: str) -> str:
    """Here, or in an environment of the peers; where several have it, all are told."""
    theirs = [
        str(path) for peers in (PEERS, NEWER) for path in (peers.parents[1] / "lib").glob("python*/site-packages")
    ]
    found = [one.version for path in (None, theirs) for one in _distributions(package, path)]
    return " and ".join(dict.fromkeys(found)) or "not installed"


def _distributions(package: str, path: list[str] | None) -> Iterable[Distribution]:
    return distributions(name=package) if path is None else distributions(name=package, path=path) if path else ()


def _redis_version() -> str:
    if redis.PROGRAM is None:
        return "not installed"
    words = subprocess.run([redis.PROGRAM, "--version"], capture_output=True, text=True, check=False).stdout.split()
    return next((word.removeprefix("v=") for word in words if word.startswith("v=")), "unknown")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return f"{platform.system()} {platform.version()}"
