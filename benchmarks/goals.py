"""The goals, each judged on the medians of the run and never asserted.

A goal that compares takes the best row of the family it compares with: a tuned peer counts, not only a shipped one.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.figure import Sample

Medians = Mapping[str, Mapping[str, Sample]]  # figure -> row -> column -> median


@dataclass(frozen=True)
class Verdict:
    goal: str
    who: str
    wanted: float
    measured: float
    at_least: bool = True

    def text(self) -> str:
        """`reached`, or by how much it is missed."""
        if math.isnan(self.wanted) or math.isnan(self.measured):
            return "not measured"
        if self.measured >= self.wanted if self.at_least else self.measured <= self.wanted:
            return "reached"
        return f"missed by {abs(1 - self.measured / self.wanted) * 100:.0f} %"


def verdicts(medians: Medians) -> Iterator[Verdict]:
    """Judge every goal whose figure was run."""
    for figure, judge in JUDGES.items():
        if figure in medians:
            yield from judge(medians)


def _noop(medians: Medians) -> Iterator[Verdict]:
    rows = medians["noop"]
    for who in ("forebay", "forebay async"):
        ours = _cell(rows, who, "per_second")
        for family, factor in (("huey", 6), ("huey", 10), ("honker", 3), ("celery", 25)):
            stretch = " (stretch)" if factor == 10 else ""
            wanted = factor * _best(rows, family, "per_second")
            yield Verdict(f"no-op tasks/s, {factor} x {family}{stretch}", who, wanted, ours)
        yield Verdict("worker CPU, ms a no-op task", who, 0.035, _cell(rows, who, "cpu_ms"), at_least=False)
        yield Verdict("worker RSS, MB", who, 80, _cell(rows, who, "rss_mb"), at_least=False)


def _two(medians: Medians) -> Iterator[Verdict]:
    for who in ("forebay", "forebay async"):
        one = _cell(medians.get("noop", {}), who, "per_second")
        yield Verdict("two processes more than one, tasks/s", who, one, _cell(medians["noop2"], who, "per_second"))


def _enqueue(medians: Medians) -> Iterator[Verdict]:
    rows, who = medians["enqueue"], "forebay"
    peer = _best(rows, "huey", "one")
    crowd = max(_known([_cell(rows, who, "threads"), _cell(rows, who, "coroutines")]), default=math.nan)
    bulk = max(_known([_cell(rows, who, "chunks"), _cell(rows, who, "at_once")]), default=math.nan)
    yield Verdict("enqueue one by one/s, huey's", who, peer, _cell(rows, who, "one"))
    yield Verdict("100 producers/s, 4 x huey's one by one", who, 4 * peer, crowd)
    yield Verdict("enqueue_many/s", who, 100_000, bulk)


def _latency(medians: Medians) -> Iterator[Verdict]:
    for who in ("forebay", "forebay async"):
        for key, most in (("p50", 1), ("p99", 5)):
            measured = _cell(medians["latency"], who, key)
            yield Verdict(f"enqueue to start at 100/s, {key} ms", who, most, measured, at_least=False)


def _sleeps(medians: Medians) -> Iterator[Verdict]:
    who = "forebay async"
    yield Verdict("50 ms sleeps at concurrency 1,000, tasks/s", who, 8_000, _cell(medians["sleeps"], who, "per_second"))


def _idle(medians: Medians) -> Iterator[Verdict]:
    measured = _cell(medians["idle"], "forebay", "cpu_percent")
    yield Verdict("idle worker, % of a core", "forebay", 0.5, measured, at_least=False)


def _backlog(medians: Medians) -> Iterator[Verdict]:
    cells, who = medians["backlog"].get("forebay", {}), "forebay"
    small, large = cells.get("1k_p99", math.nan), cells.get("1m_p99", math.nan)
    few, many = cells.get("10k_per_second", math.nan), cells.get("1m_per_second", math.nan)
    yield Verdict("lease p99 at 1,000,000, 1.5 x that at 1,000", who, 1.5 * small, large, at_least=False)
    yield Verdict("throughput at 1,000,000, 0.9 x that at 10,000", who, 0.9 * few, many)


def _limits(medians: Medians) -> Iterator[Verdict]:
    cells, who = medians["limits"].get("forebay", {}), "forebay"
    ratio, one = cells.get("rate_ratio", math.nan), cells.get("one_p99", math.nan)
    yield Verdict("CPU a message with a rate on each of 10,000 keys, x without", who, 1.5, ratio, at_least=False)
    many, opening = cells.get("many_p99", math.nan), cells.get("open_ms", math.nan)
    yield Verdict("lease p99 beside 50,000 empty lanes, 1.5 x that at one", who, 1.5 * one, many, at_least=False)
    yield Verdict("opening a gate before 1,000,000, ms", who, 5, opening, at_least=False)


JUDGES: dict[str, Callable[[Medians], Iterator[Verdict]]] = {
    "noop": _noop,
    "noop2": _two,
    "enqueue": _enqueue,
    "latency": _latency,
    "sleeps": _sleeps,
    "idle": _idle,
    "backlog": _backlog,
    "limits": _limits,
}


def _cell(rows: Mapping[str, Sample], row: str, key: str) -> float:
    return rows.get(row, {}).get(key, math.nan)


def _best(rows: Mapping[str, Sample], family: str, key: str) -> float:
    cells = [_cell(rows, name, key) for name in rows if name.split()[0] == family]
    return max(_known(cells), default=math.nan)


def _known(cells: list[float]) -> list[float]:
    return [cell for cell in cells if not math.isnan(cell)]
