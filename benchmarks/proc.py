"""Worker and producer processes: each started in its own process group, watched through /proc, ended by that group."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from benchmarks.contender import Contender
from benchmarks.room import ROOT, Room, open_room

PROC = Path("/proc")
NOT_KNOWN = float("nan")
#: Seconds after which a process that measures by itself is given up.
PATIENCE = 1200


class Broken(Exception):
    """A contender could not be measured; the text says why."""


class Fleet:
    """The worker processes of one contender, with all their children."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
        self._processes = processes
        self._log = log

    def check(self) -> None:
        """Raise if a worker has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise Broken(f"worker ended with code {process.returncode}: {tail(self._log)}")

    def cpu_seconds(self) -> float:
        """User and system time of all processes, ended children included."""
        ticks = sum(sum(_stat(pid)[11:15]) for pid in self._tree())
        return ticks / os.sysconf("SC_CLK_TCK") if PROC.exists() else NOT_KNOWN

    def memory_mb(self) -> tuple[float, float]:
        """Resident size of the largest process, and the proportional size of the whole tree."""
        tree = self._tree()
        resident = [_kilobytes(PROC / str(pid) / "status", "VmRSS:") for pid in tree]
        shared_out = [_kilobytes(PROC / str(pid) / "smaps_rollup", "Pss:") for pid in tree]
        return max(resident, default=NOT_KNOWN) / 1024, sum(shared_out) / 1024

    def _tree(self) -> list[int]:
        if not PROC.exists():
            return []
        parents = {int(p.name): _stat(int(p.name))[1] for p in PROC.iterdir() if p.name.isdigit()}
        tree = [process.pid for process in self._processes]
        for pid in tree:  # grows while it is walked
            tree.extend(child for child, parent in parents.items() if parent == pid)
        return tree


@contextmanager
def stage(contender: Contender) -> Iterator[Room]:
    """An empty room in which a contender has what it needs before its first worker starts."""
    with open_room(contender) as room:
        if contender.prepares:
            produce(contender, room, "prepare")
        yield room


@contextmanager
def workers(contender: Contender, room: Room, processes: int = 1, concurrency: int | None = None) -> Iterator[Fleet]:
    """Run a contender's worker for the length of a block."""
    log = room.folder / "worker.log"
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("wb") as output:
            for command in contender.workers(processes, concurrency):
                started.append(_start(command, room, output))  # noqa: PERF401  each is to be ended if the next fails
        yield Fleet(started, log)
    finally:
        for process in started:
            _end(process)


def produce(contender: Contender, room: Room, action: str, *arguments: object, **environment: str) -> dict[str, float]:
    """Run one action of benchmarks.produce in a process of its own and return what it measured."""
    words = contender.app, action, *arguments
    return ask(room, "benchmarks.produce", *words, python=contender.python, **environment)


def ask(
    room: Room, module: str, *arguments: object, python: str = sys.executable, **environment: str
) -> dict[str, float]:
    """Run a module in a process of its own and return the figures that it prints."""
    done = subprocess.run(
        [python, "-m", module, *map(str, arguments)], cwd=ROOT, env={**room.environment, **environment},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Broken(f"{module} ended with code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def await_marks(room: Room, fleet: Fleet, wanted: int, patience: float = 20.0, step: float = 0.02) -> Iterator[int]:
    """Yield the number of tasks that ran, every 20 ms, until all did; give up after a while without progress."""
    seen, since = 0, time.monotonic()
    while seen < wanted:
        fleet.check()
        time.sleep(step)
        count = room.marks.count()
        if count > seen:
            seen, since = count, time.monotonic()
        elif time.monotonic() - since > patience:
            raise Broken(f"stalled at {seen:,} of {wanted:,} tasks")
        yield seen


def await_ready(contender: Contender, room: Room, fleet: Fleet) -> None:
    """Wait until the worker has run one message; forget its mark."""
    produce(contender, room, "fill", contender.task("noop"), 1)
    for _ in await_marks(room, fleet, 1):
        pass
    room.marks.take()


def tail(log: Path) -> str:
    """The last words of a log file."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "(no output)"


def _start(command: list[str], room: Room, output: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=ROOT, env=room.environment, stdout=output, stderr=output, start_new_session=True
    )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to stop, then make it."""
    for sign, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _stat(pid: int) -> list[int]:
    """The numbers of /proc/<pid>/stat after the state; index 1 is the parent, 11 to 14 are the CPU ticks."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return [0] * 20
    return [0, *(int(word) for word in text.rpartition(")")[2].split()[1:20])]


def _kilobytes(path: Path, field: str) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(field)), 0.0)
