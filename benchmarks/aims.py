"""What we aim at on Redis and PostgreSQL, judged on the medians of the run and never asserted.

A goal that compares takes the best row among all peers that took part.
"""

import math
from collections.abc import Iterator, Mapping

from benchmarks.figure import Sample
from benchmarks.goals import Medians, Verdict

OURS = "forebay", "forebay async"


def redis(medians: Medians) -> Iterator[Verdict]:
    """Judge every goal whose figure was run."""
    noop, enqueue = medians.get("noop", {}), medians.get("enqueue", {})
    if noop:
        yield _noop(noop, "no-op tasks/s, 10 x the best peer", 10 * best(noop, "per_second"))
        yield _noop(noop, "no-op tasks/s", 40_000)
    yield from _common(medians)
    if enqueue:
        yield Verdict(
            "enqueue one by one/s, 3 x the best peer", OURS[0], 3 * best(enqueue, "one"), _most(enqueue, "one")
        )
        yield Verdict("enqueue in bulk/s", OURS[0], 100_000, _most(enqueue, "chunks", "at_once"))
    yield from _latency(medians, p50=1)


def postgres(medians: Medians) -> Iterator[Verdict]:
    """Judge every goal whose figure was run."""
    noop, enqueue, bare = (medians.get(name, {}) for name in ("noop", "enqueue", "bare"))
    if noop:
        yield _noop(noop, "no-op tasks/s, 1.5 x PgQueuer", 1.5 * best(noop, "per_second", "pgqueuer"))
        yield _noop(noop, "no-op tasks/s, 5 x the rest", 5 * best(noop, "per_second", but="pgqueuer"))
    yield from _common(medians)
    if enqueue and bare:
        wanted = 0.85 * cell(bare, OURS[0], "one")
        yield Verdict("enqueue one by one/s, 0.85 x the bare client", OURS[0], wanted, _most(enqueue, "one"))
    yield from _latency(medians, p50=2)
    if held := medians.get("snapshot", {}).get(OURS[0]):
        yield Verdict("messages/s under a snapshot held, 0.9 x without", OURS[0], 0.9, held["ratio"])


def _common(medians: Medians) -> Iterator[Verdict]:
    noop, two, enqueue, backlog = (medians.get(name, {}) for name in ("noop", "noop2", "enqueue", "backlog"))
    if noop:
        most = min((cell(noop, who, "cpu_ms") for who in OURS if who in noop), default=math.nan)
        yield Verdict("worker CPU, ms a no-op task", "the better", 0.04, most, at_least=False)
    for who in OURS:
        if who in two and who in noop:
            wanted = 1.3 * cell(noop, who, "per_second")
            yield Verdict("two processes 1.3 x one, tasks/s", who, wanted, cell(two, who, "per_second"))
    if enqueue:
        crowd = max(best(enqueue, "threads"), best(enqueue, "coroutines"))
        yield Verdict("100 producers/s, 4 x the best peer", OURS[0], 4 * crowd, _most(enqueue, "threads", "coroutines"))
        bulk = max(best(enqueue, "chunks"), best(enqueue, "at_once"))
        yield Verdict("bulk/s, 3 x the best peer", OURS[0], 3 * bulk, _most(enqueue, "chunks", "at_once"))
    if OURS[0] in backlog:
        row = backlog[OURS[0]]
        wanted = 1.5 * row["1k_p99"]
        yield Verdict("lease p99 at 1 M, 1.5 x that at 1,000, ms", OURS[0], wanted, row["1m_p99"], at_least=False)


def _latency(medians: Medians, p50: float) -> Iterator[Verdict]:
    rows = medians.get("latency", {})
    for who in (one for one in OURS if one in rows):
        for key, most in (("p50", p50), ("p99", 5.0)):
            yield Verdict(f"enqueue to start at 100/s, {key} ms", who, most, cell(rows, who, key), at_least=False)


def _noop(rows: Mapping[str, Sample], goal: str, wanted: float) -> Verdict:
    found = {who: cell(rows, who, "per_second") for who in OURS if who in rows}
    who = max(found, key=lambda one: found[one], default=OURS[0])
    return Verdict(goal, who, wanted, found.get(who, math.nan))


def best(rows: Mapping[str, Sample], key: str, only: str = "", but: str = "") -> float:
    """The best of all peers, of one, or of all but one; 0 if nobody has such a call."""
    peers = [name for name in rows if name.split()[0] not in ("forebay", but) and only in ("", name.split()[0])]
    values = [cell(rows, name, key) for name in peers]
    return max([value for value in values if not math.isnan(value)], default=0.0)


def cell(rows: Mapping[str, Sample], row: str, key: str) -> float:
    """One median; not a number where there is none."""
    return rows.get(row, {}).get(key, math.nan)


def _most(rows: Mapping[str, Sample], *keys: str) -> float:
    values = [cell(rows, OURS[0], key) for key in keys]
    return max([value for value in values if not math.isnan(value)], default=math.nan)
