"""A fresh place for each measurement: a folder on a real disk, the environment of its processes, a server if needed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import postgres, redis
from benchmarks.contender import Contender
from benchmarks.meter import Marks

ROOT = Path(__file__).resolve().parent.parent
IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True)
class Room:
    folder: Path
    environment: dict[str, str]
    marks: Marks


@contextmanager
def open_room(contender: Contender) -> Iterator[Room]:
    """Yield an empty room for one measurement, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="forebay-bench-", dir=base()))
    environment = {
        **os.environ,
        **contender.environment,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENCH_ROOM": str(folder),
        "FOREBAY_URL": f"sqlite:///{folder}/bench.db",  # the folder is absolute: four slashes in all
    }
    try:
        marks = Marks(folder)
        with _server(contender.server, folder) as more:
            yield Room(folder, {**environment, **more}, marks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """What a contender's processes have to know of a server that is its alone."""
    if kind.startswith("redis"):
        with redis.server(folder, appends=kind == "redis aof") as port:
            url = f"redis://127.0.0.1:{port}/0"
            yield {"BENCH_REDIS_PORT": str(port), "BENCH_URL": url, "RQ_REDIS_URL": url, "FOREBAY_URL": url}
    elif kind == "postgres":
        with postgres.database() as url:
            yield {"BENCH_URL": url, "FOREBAY_URL": url}
    else:
        yield {}


def base() -> Path:
    """The temporary folder, unless that is only memory: then a folder in the working directory."""
    wanted = Path(os.environ.get("FOREBAY_BENCH_DIR") or tempfile.gettempdir())
    if filesystem(wanted)[0] not in IN_MEMORY:
        return wanted
    here = ROOT / ".bench"
    here.mkdir(exist_ok=True)
    return here


def filesystem(path: Path) -> tuple[str, str]:
    """Type and mount options of the filesystem that holds a path, where the system tells."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown", ""
    holds = [m for m in mounts if path.resolve().is_relative_to(m[1])]
    mount = max(holds, key=lambda m: len(m[1]))
    return mount[2], mount[3]
