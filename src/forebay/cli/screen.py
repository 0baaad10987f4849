"""What `top` shows, as lines: totals with their recent course, the queues, the workers, what is due next.

Pure: from readings to text. Where not all fits, the busiest queues and workers are shown and the rest is counted.
"""

import time
from collections import deque
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from forebay.cli import output
from forebay.cli.human import ago, rate, span, tail
from forebay.cli.queues import why
from forebay.cli.table import Column, Table
from forebay.cli.workers import table as worker_table
from forebay.engine.contract import Depth
from forebay.model.plain import printable
from forebay.model.topology import PRESSURE
from forebay.observe.snapshot import Rates, Snapshot, rates
from forebay.store.records import WorkerRow

#: Readings whose course is drawn.
COURSE = 30
#: Lines that are neither queue nor worker: totals, two headings, space between, what is due, how to end.
_FRAME = 10
#: Lines of rows that are worth more than what is due, or than a table of workers.
_LEAST = 5
_TOTALS = ("ready", "running", "scheduled", "parked", "dead")
#: Columns of the two newest rates with their words.
_RATES = 34
_BARS = "▁▂▃▄▅▆▇█"


class Row(msgspec.Struct, frozen=True):
    """A queue with what follows from two readings of it."""

    depth: Depth
    rates: Rates | None
    workers: int
    held: bool = False  # by pressure, or some task of it
    why: str = ""

    @property
    def state(self) -> str:
        """What it is in a word."""
        return "held" if self.held else "paused" if self.depth.paused else "open"

    @property
    def load(self) -> float:
        """How much is going on; what has most of it is shown first."""
        depth = self.depth
        return depth.ready + depth.running + (self.rates.published + self.rates.done if self.rates else 0.0)


_QUEUES: Table[Row] = Table(
    [
        Column("QUEUE", lambda r: r.depth.queue, flex=True, least=8),
        Column("STATE", lambda r: r.state),
        Column("READY", lambda r: f"{r.depth.ready:,}", right=True),
        Column("AGE", lambda r: span(r.depth.age) if r.depth.ready else "-", right=True),
        Column("RUNNING", lambda r: f"{r.depth.running:,}", right=True),
        Column("SCHEDULED", lambda r: f"{r.depth.scheduled:,}", right=True, drop=3),
        Column("PARKED", lambda r: f"{r.depth.parked:,}", right=True, hide="0"),
        Column("DEAD", lambda r: f"{r.depth.dead:,}", right=True),
        Column("IN", lambda r: rate(r.rates.published if r.rates else None), right=True, drop=1),
        Column("DONE", lambda r: rate(r.rates.done if r.rates else None), right=True),
        Column("RETRIED", lambda r: rate(r.rates.retried if r.rates else None), right=True, drop=4),
        Column("WORKERS", lambda r: str(r.workers), right=True, drop=2),
        Column("WHY", lambda r: r.why, flex=True, least=14, hide=""),
    ],
    "no queues yet: the first enqueue makes one",
)


class Screen:
    """Remembers the course of the totals from reading to reading."""

    def __init__(self, place: str, lease: float, interval: float, app: str = "module:app") -> None:
        self._place, self._lease, self._interval, self._app = place, lease, interval, app
        self._came: deque[float] = deque(maxlen=COURSE)
        self._done: deque[float] = deque(maxlen=COURSE)

    def lines(self, before: Snapshot | None, now: Snapshot, height: int = 1_000_000) -> list[str]:
        """The screen for a reading, `height` lines at most.

        Args:
            before: the reading before, for the rates; None at first.
        """
        known = {} if before is None else rates(before, now)
        held = {gate.queue for gate in now.gates if gate.holder == PRESSURE}
        rows = [
            Row(depth, known.get(depth.queue), len(now.serving(depth.queue)), depth.queue in held,
                why(depth, now.gates, now.at))
            for depth in now.queues
        ]  # fmt: skip
        if before is not None:
            self._came.append(sum(one.published for one in known.values()))
            self._done.append(sum(one.done for one in known.values()))
        room = shared(len(rows), len(now.workers), height)
        workers = worker_table(now.at, self._lease, self._app)
        shown = [
            *self._head(now),
            "",
            *_queue_lines(rows, room.queues),
            *(["", *_worker_lines(now, workers, room.workers)] if room.workers else []),
            *(["", *_due(now)] if room.due else []),
        ]
        return [*shown[: max(1, height - 1)], output.fitted(f"every {span(self._interval)}; q or Ctrl-C ends")]

    def _head(self, now: Snapshot) -> list[str]:
        totals = {name: sum(getattr(depth, name) for depth in now.queues) for name in _TOTALS}
        counts = [f"{name} {count:,}" for name, count in totals.items() if count or name != "parked"]
        clock, room = time.strftime("%H:%M:%S", time.localtime(now.at)), output.columns()
        bars = min(COURSE, max(0, room - _RATES) // 2)
        return [
            output.bold(output.fitted(f"forebay {clock}  {tail(printable(self._place), max(10, room - 18))}")),
            output.fitted("   ".join([*counts, f"workers {len(now.alive)}"])),
            output.fitted(f"in {_course(self._came, bars)}   done {_course(self._done, bars)}"),
        ]


class Room(msgspec.Struct, frozen=True):
    """Lines for queues and for workers (0: no table of them), and whether what is due is told."""

    queues: int
    workers: int
    due: bool = True


def shared(queues: int, workers: int, height: int) -> Room:
    """How a screen is shared out: in a low one what is due goes first, then the workers, whom the totals count."""
    queues, workers, room = max(1, queues), max(1, workers), height - _FRAME
    due = room >= min(_LEAST, queues + workers)
    room += 0 if due else 2
    if room < min(_LEAST, queues + workers):
        return Room(max(1, room + 2), 0, due)
    most = max(min(workers, room // 3), room - queues)
    return Room(room - min(workers, most), min(workers, most), due)


def _course(readings: Sequence[float], bars: int) -> str:
    """The newest rate, and small bars for those before it."""
    most = max(readings, default=0.0) or 1.0
    shown = list(readings)[-bars:] if bars else []
    drawn = "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in shown)
    return f"{rate(readings[-1] if readings else None)} {drawn}".rstrip()


def _queue_lines(rows: Sequence[Row], room: int) -> list[str]:
    if not rows:
        return [_QUEUES.empty]
    busiest = sorted(rows, key=lambda row: -row.load)[: _rows(len(rows), room)]
    shown = sorted(busiest, key=lambda row: row.depth.queue)
    return [*output.lines(shown, _QUEUES.columns), *_rest(len(rows) - len(shown), "queues")]


def _worker_lines(now: Snapshot, table: Table[WorkerRow], room: int) -> list[str]:
    if not now.workers:
        return [output.fitted(table.empty)]
    busiest = sorted(now.workers, key=lambda worker: -worker.running)[: _rows(len(now.workers), room)]
    shown: list[WorkerRow] = sorted(busiest, key=lambda worker: (worker.started, worker.worker))
    columns = [replace(column, wrap=False) for column in table.columns]  # a line for each: lines are what is short
    return [*output.lines(shown, columns), *_rest(len(now.workers) - len(shown), "workers")]


def _rows(count: int, room: int) -> int:
    """How many of `count` rows stand in `room` lines: all, or one fewer than lines, the last of which says the rest."""
    return count if count <= room else max(1, room - 1)


def _rest(count: int, what: str) -> list[str]:
    return [f"… {count:,} more {what}, less busy"] if count > 0 else []


def _due(now: Snapshot) -> list[str]:
    waiting = [schedule for schedule in now.schedules if not schedule.paused and schedule.next]
    if not waiting:
        return []
    first = min(waiting, key=lambda schedule: schedule.next)
    return [output.fitted(f"next on schedule: {printable(first.name)} {ago(first.next, now.at)}")]
