"""What an outage has cost, from what was seen of it: one verdict for each promise. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.scenarios.service import RETRY_AFTER, Call
from benchmarks.scenarios.terms import CONCURRENCY, JITTER, OPEN_FOR, RAMP
from benchmarks.scenarios.terms import UNRELATED as PACE

#: Seconds that everything has to notice the outage, and to be at full goodput after the first good probe.
NOTICE, RECOVER = 2.0, 5.0
#: Seconds by which clocks and schedulers may be late.
SLACK = 0.05
UNRELATED = "resize"


@dataclass(frozen=True)
class Done:
    """A task that says that it is done."""

    at: float
    id: str
    attempt: int

    @property
    def task(self) -> str:
        return self.id.partition("-")[0]


@dataclass
class Seen:
    """What was seen of one run; times are of CLOCK_MONOTONIC.

    Attributes:
        begin, down, back, stop: sending begins; the provider fails; it answers again; sending stops.
        calls: of the provider, in the order of their ends.
        sent: ids by the time of their acceptance.
        changed: when rows were compared with what they were before, and which messages' differed.
        rewritten: the same without those that have called the provider meanwhile, counted.
    """

    begin: float
    down: float
    back: float
    stop: float
    phases: list[tuple[float, str]]
    calls: list[Call] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    sent: list[tuple[float, str]] = field(default_factory=list)
    changed: list[tuple[float, list[str]]] = field(default_factory=list)
    rewritten: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """One promise, and whether it was kept."""

    promise: str
    got: str
    kept: bool

    def __str__(self) -> str:
        return f"{'kept  ' if self.kept else 'MISSED'}  {self.promise}: {self.got}"


def verdicts(seen: Seen) -> list[Verdict]:
    judges = (probes, retry_after, unrelated, attempts, rows, ramp, goodput, fate)
    return [verdict for judge in judges for verdict in judge(seen)]


def probes(seen: Seen) -> Iterable[Verdict]:
    """From two seconds after the first failure on, no two calls within one interval."""
    starts = sorted(began for began, *_ in seen.calls if seen.down + NOTICE <= began < seen.back)
    gap = min((after - before for before, after in pairwise(starts)), default=float("inf"))
    until = sorted(began for began, *_ in seen.calls if seen.down <= began < seen.down + NOTICE)
    yield Verdict(
        f"calls fall to at most 1 probe per {OPEN_FOR:g} s within {NOTICE:g} s",
        f"{len(until)} calls before that, {len(starts)} in the {seen.back - seen.down - NOTICE:.0f} s after it, "
        f"none within {gap:.2f} s of another",
        len(starts) > 0 and gap >= OPEN_FOR * (1 - JITTER) - SLACK,
    )


def retry_after(seen: Seen) -> Iterable[Verdict]:
    """A 429 names a time, and nobody calls before it; calls that were under way do not count."""
    asked = [ended for _, ended, _, what in seen.calls if what == "429"]
    starts = sorted(began for began, *_ in seen.calls)
    early = 0
    for ended in asked:
        first = bisect_left(starts, ended + SLACK)
        early += sum(began < ended + RETRY_AFTER - SLACK for began in starts[first : first + 100])
    yield Verdict(
        f"a 429 with Retry-After: {RETRY_AFTER} is obeyed", f"{len(asked)} of them, {early} calls too early", early == 0
    )


def unrelated(seen: Seen) -> Iterable[Verdict]:
    times = [done.at for done in seen.done if done.task == UNRELATED]
    # what gets done above what is sent makes up for a slow start, and is no pace to be held to
    before = min(rate(times, seen.begin + 1.0, seen.down), float(PACE))
    during = rate(times, seen.down, seen.back)
    share = during / before if before else 0.0
    yield Verdict(
        "unrelated goodput at least 95 % of before",
        f"{share:.1%} ({before:.1f}/s before, {during:.1f}/s during)",
        share >= 0.95,
    )


def attempts(seen: Seen) -> Iterable[Verdict]:
    burnt = sum(done.attempt - 1 for done in seen.done)
    yield Verdict("attempts burnt 0", f"{burnt}", burnt == 0)


def rows(seen: Seen) -> Iterable[Verdict]:
    looks = [count for at, count in seen.rewritten if seen.down + NOTICE < at <= seen.back]
    yield Verdict(
        "rows rewritten while open 0, but for the probes' own",
        f"{sum(looks)} in {len(looks)} looks",
        bool(looks) and sum(looks) == 0,
    )


def ramp(seen: Seen) -> Iterable[Verdict]:
    """Never more at a time than the ramp allows: the probe alone, then 2, 4, 8 … and never more than is usual."""
    first = _first_good(seen)
    if first is None:
        yield Verdict("on return never more than the ramp", "it never came back", kept=False)
        return
    worst = max(at_once(seen.calls), key=lambda one: one[1] - allowed(one[0], seen.back, first), default=(0.0, 0))
    over = worst[1] - allowed(worst[0], seen.back, first)
    most = max((count for at, count in at_once(seen.calls) if at >= seen.back), default=0)
    yield Verdict(
        "on return never more than the ramp",
        f"{over} too many at {worst[0] - first:.2f} s" if over > 0 else f"none too many; up to {most} at a time",
        over <= 0,
    )


def allowed(at: float, back: float, first: float) -> int:
    """How many may call at a time: `first` is when the first good probe had ended."""
    if at < back:
        return CONCURRENCY
    if at < first:
        return 1
    steps = (CONCURRENCY - 1).bit_length() - 1
    return min(CONCURRENCY, 2 << min(steps, int((at - first + SLACK) / (RAMP / steps))))


def goodput(seen: Seen) -> Iterable[Verdict]:
    first = _first_good(seen)
    times = sorted(done.at for done in seen.done if done.task != UNRELATED)
    before = rate(times, seen.begin + 1.0, seen.down)
    late = None
    if first is not None:
        late = next((at - first for at in times if at >= first and rate(times, at, at + 1.0) >= 0.95 * before), None)
    yield Verdict(
        f"full goodput within {RECOVER:g} s of the first probe that succeeds",
        "never" if late is None else f"after {late:.1f} s ({before:.1f}/s, as before)",
        late is not None and late <= RECOVER,
    )


def fate(seen: Seen) -> Iterable[Verdict]:
    sent = {message for _, message in seen.sent}
    ends = Counter(done.id for done in seen.done)
    answered = Counter(message for *_, message, what in seen.calls if what == "ok")
    lost = sent - set(ends)
    doubled = {message for counts in (ends, answered) for message, count in counts.items() if count > 1}
    yield Verdict(
        "nothing lost or doubled",
        f"{len(sent):,} sent, {len(lost):,} lost, {len(doubled):,} doubled",
        not lost | doubled,
    )


def rate(times: Sequence[float], begin: float, end: float) -> float:
    """Events a second."""
    return sum(begin <= at < end for at in times) / (end - begin) if end > begin else 0.0


def at_once(calls: Sequence[Call]) -> list[tuple[float, int]]:
    """How many calls were under way, at each moment at which that changed."""
    return at_once_of([(began, ended) for began, ended, *_ in calls])


def at_once_of(runs: Sequence[tuple[float, float]]) -> list[tuple[float, int]]:
    """The same of anything that begins and ends."""
    changes = sorted([(began, 1) for began, _ in runs] + [(ended, -1) for _, ended in runs])
    count, found = 0, list[tuple[float, int]]()
    for at, change in changes:
        count += change
        found.append((at, count))
    return found


def _first_good(seen: Seen) -> float | None:
    return next((ended for began, ended, _, what in sorted(seen.calls) if what == "ok" and began >= seen.back), None)
