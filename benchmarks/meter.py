"""How a task tells the bench that it ran, alike for every contender and cheap enough not to matter (about 0.3 µs).

Each process that runs tasks owns a memory-mapped file of 8-byte cells, and every task writes its clock reading into the
next one.  CLOCK_MONOTONIC is one clock for all processes of the machine, so the bench reads the cells from outside.
"""

import itertools
import mmap
import os
import time
from pathlib import Path

CELLS = 1 << 20
CELL = 8

_next = itertools.count()
_cells: list[memoryview] = []  # one, once this process has run its first task


def mark() -> None:
    """Record that a task ran now."""
    record(time.monotonic_ns())


def record_since(sent: int) -> None:
    """Record how long ago a message was sent, by the same clock; 0 stands for warm-up, which leaves no mark."""
    if sent:
        record(time.monotonic_ns() - sent)


def record(value: int) -> None:
    """Record any figure of a task that is not zero, such as its lag in nanoseconds."""
    (_cells or _open())[0][next(_next)] = value


def _open() -> list[memoryview]:
    path = Path(os.environ["BENCH_ROOM"], "marks", f"{os.getpid()}.cells")
    path.touch()
    os.truncate(path, CELLS * CELL)  # sparse: only written cells take room; safe when two threads come first together
    with path.open("r+b") as file:
        _cells.append(memoryview(mmap.mmap(file.fileno(), CELLS * CELL)).cast("q"))
    return _cells


def _forget_after_fork() -> None:
    global _next  # noqa: PLW0603  a forked child starts a file of its own, from its first cell
    _cells.clear()
    _next = itertools.count()


os.register_at_fork(after_in_child=_forget_after_fork)


class Marks:
    """Reads, from outside, what the tasks of one measurement have recorded."""

    def __init__(self, room: Path) -> None:
        self._folder = room / "marks"
        self._folder.mkdir()
        self._open: dict[Path, memoryview] = {}
        self._filled: dict[Path, int] = {}
        self._taken: dict[Path, int] = {}

    def count(self) -> int:
        """How many tasks ran so far."""
        for path in self._folder.glob("*.cells"):
            if path not in self._open and path.stat().st_size == CELLS * CELL:
                with path.open("rb") as file:
                    whole = mmap.mmap(file.fileno(), CELLS * CELL, access=mmap.ACCESS_READ)
                self._open[path] = memoryview(whole).cast("q")
                self._filled[path] = self._taken[path] = 0
        for path, cells in self._open.items():
            filled = self._filled[path]
            while filled < CELLS and cells[filled]:
                filled += 1
            self._filled[path] = filled
        return sum(self._filled.values())

    def take(self) -> list[int]:
        """Everything recorded since the last take, process after process, each in order."""
        self.count()
        fresh = [value for path, cells in self._open.items() for value in cells[self._taken[path] : self._filled[path]]]
        self._taken = self._filled.copy()
        return fresh
