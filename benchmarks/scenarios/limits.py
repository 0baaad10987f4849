"""Rates of 10,000 keys, a limit whose holders are killed, and what limits cost: do they hold, and for whom?

Starts workers as processes of their own, and kills some; this process sends, and reads what the tasks have written.
"""

import importlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.room import base
from benchmarks.scenarios.judge import Verdict, at_once_of
from benchmarks.scenarios.rows import forget
from benchmarks.scenarios.stage import Worker, alive, environment, until, worker
from benchmarks.scenarios.terms import KEY_RATE, SLOTS

APP = "benchmarks.apps.limits_app"
NAMESPACE = f"limits_{os.getpid()}"
#: Keys with a rate, and by how much it may be missed; messages a second of another queue beside them.
KEYS, EXACT, BESIDE = 10_000, 0.02, 50
#: How many times as long those may wait as when they are alone; below the floor, in seconds, nobody can tell.
MOST, FLOOR = 2.0, 0.005
#: Seconds that a holder of a slot takes, and between two kills.
HOLDS, BETWEEN = 0.2, 1.5
#: What a limit of a whole queue may cost, and messages of each measurement of that; the first ones do not count.
COST, MANY, WARM = 0.1, 120_000, 10_000
ROUNDS = 5


@dataclass(frozen=True)
class Script:
    """How it is played: seconds in which keys are counted, and in which holders are killed; where the log is kept."""

    keys: float
    kills: float
    log: Path


@dataclass
class Seen:
    """What was seen; times are of CLOCK_MONOTONIC.

    Attributes:
        starts: of each key, when its messages began, in order.
        alone, beside: seconds that messages of another queue waited, before the keys came, and beside them.
        runs: begin and end of each run of a holder; one that was killed ended then.
        kills: when a process was killed, and when as many as may were running again; None if never.
        cost: seconds for as many messages, without limits and with them.
        lease: seconds of a lease.
    """

    starts: dict[str, list[float]] = field(default_factory=dict)
    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    runs: list[tuple[float, float]] = field(default_factory=list)
    kills: list[tuple[float, float | None]] = field(default_factory=list)
    cost: list[tuple[float, float]] = field(default_factory=list)
    lease: float = 0.0


def play(url: str, script: Script) -> Seen:
    """Play the three parts on one engine, each in a place of its own."""
    seen = Seen()
    with _place(url) as (app, file):
        _keys(app, file, script, seen)
    with _place(url) as (app, file):
        _kills(app, file, script, seen)
    for _ in range(ROUNDS):
        with _place(url) as (app, file):
            took = {name: _timed(app, file, script, name) for name in random.sample(["free", "bound"], 2)}
            seen.cost.append((took["free"], took["bound"]))
    return seen


@contextmanager
def _place(url: str) -> Iterator[tuple[Any, Path]]:
    with tempfile.TemporaryDirectory(prefix="forebay-scenario-", dir=base()) as name:
        os.environ |= environment(url, NAMESPACE, Path(name))
        sys.modules.pop(APP, None)  # another app, in this place
        module = importlib.import_module(APP)
        try:
            with module.app:
                yield module, Path(os.environ["SCENARIO_DONE"])
        finally:
            forget(url, NAMESPACE)


def _keys(module: Any, file: Path, script: Script, seen: Seen) -> None:
    with worker(f"{APP}:app", "50", 2, script.log, "keys,free") as process:
        module.beside.using(id="warm").enqueue()
        until(lambda: "warm" in _said(file, "beside"), "the worker does not begin")
        alone = _beside(module, process, script, 5.0)
        each = int(script.keys / 2) + 4
        for _ in range(each):
            module.keyed.enqueue_many([module.keyed.call().using(key=f"key-{key}") for key in range(KEYS)])
        during = _beside(module, process, script, script.keys)
        begun = {words[1]: float(words[-1]) for words in _lines(file, "beside")}
        seen.alone = [begun[id_] - at for id_, at in alone.items() if id_ in begun]
        seen.beside = [begun[id_] - at for id_, at in during.items() if id_ in begun]
        begin, starts = min(during.values()), defaultdict[str, list[float]](list)
        for words in _lines(file, "key"):
            if float(words[-1]) >= begin:
                starts[words[1]].append(float(words[-1]))
        seen.starts = {key: sorted(times) for key, times in starts.items()}


def _beside(module: Any, process: Worker, script: Script, seconds: float) -> dict[str, float]:
    """Send to the other queue at a steady pace; when each was accepted."""
    sent: dict[str, float] = {}
    begin, number = time.monotonic(), 0
    while (due := number / BESIDE) < seconds:
        time.sleep(max(0.0, begin + due - time.monotonic()))
        alive(process, script.log)
        sent[module.beside.enqueue().id] = time.monotonic()
        number += 1
    return sent


def _kills(module: Any, file: Path, script: Script, seen: Seen) -> None:
    seen.lease = module.app.settings.lease
    module.slot.enqueue_many([module.slot.call(HOLDS) for _ in range(int((script.kills + 20) * SLOTS / HOLDS))])
    with worker(f"{APP}:app", "8", 3, script.log.with_suffix(".kills.log"), "slots") as process:
        until(lambda: len(_lines(file, "end")) > SLOTS, "the worker does not begin")
        end, killed = time.monotonic() + script.kills, dict[int, float]()
        while time.monotonic() < end:
            alive(process, script.log)
            pid = int(random.choice(_lines(file, "begin")[-SLOTS:])[2])
            if pid not in killed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed[pid] = time.monotonic()
            time.sleep(BETWEEN * random.uniform(0.5, 1.5))
        time.sleep(min(seen.lease, 5.0))
        stop = time.monotonic()
    ends = {words[1]: float(words[-1]) for words in _lines(file, "end")}
    for _, run, pid, at in _lines(file, "begin"):
        if float(at) < stop:
            seen.runs.append((float(at), ends.get(run, killed.get(int(pid), stop))))
    for at in killed.values():
        seen.kills.append((at, _full_again(seen.runs, at)))


def _full_again(runs: list[tuple[float, float]], at: float) -> float | None:
    """When as many as may were running, from a moment on."""
    count = sum(began <= at < ended for began, ended in runs)
    if count >= SLOTS:
        return at
    return next((when for when, count in at_once_of(runs) if when > at and count >= SLOTS), None)


def _timed(module: Any, file: Path, script: Script, name: str) -> float:
    task = getattr(module, name)
    for _ in range(MANY // 1_000):
        task.enqueue_many([(WARM, MANY)] * 1_000)
    with worker(f"{APP}:app", "100", 1, script.log.with_suffix(".cost.log"), name):
        until(lambda: len(_counted(file, name)) == 2, "not all of it gets done")
    begin, end = _counted(file, name)
    return end - begin


def _counted(file: Path, name: str) -> list[float]:
    return [float(words[-1]) for words in _lines(file, "count") if words[1] == name]


def _lines(file: Path, kind: str) -> list[list[str]]:
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    return [words for words in map(str.split, whole.splitlines()) if words[0] == kind]


def _said(file: Path, kind: str) -> set[str]:
    return {words[1] for words in _lines(file, kind)}


# --- what it has come to ---


def verdicts(seen: Seen) -> Iterator[Verdict]:
    wanted = rates(seen.starts)
    exact = [rate for rate in wanted if abs(rate / per_second() - 1) <= EXACT]
    worst = max((abs(rate / per_second() - 1) for rate in wanted), default=1.0)
    yield Verdict(
        f"each of {KEYS:,} keys keeps to {KEY_RATE}, within {EXACT:.0%}",
        f"{len(exact):,} of {len(wanted):,} keys, the worst by {worst:.1%}",
        len(exact) == KEYS,
    )
    before, after = p99(seen.alone), p99(seen.beside)
    yield Verdict(
        f"another queue is not affected: p99 wait at most {MOST:g} times its alone figure",
        f"{before * 1e3:.1f} ms alone, {after * 1e3:.1f} ms beside",
        after <= MOST * max(before, FLOOR),
    )
    most = max((count for _, count in at_once_of(seen.runs)), default=0)
    yield Verdict(
        f"never more than {SLOTS} at once, whatever is killed", f"{most} at the most, {len(seen.kills)} kills",
        most == SLOTS and len(seen.kills) > 0,
    )  # fmt: skip
    late = [None if full is None else full - at for at, full in seen.kills]
    longest = None if None in late else max([one for one in late if one is not None], default=None)
    yield Verdict(
        f"{SLOTS} again within a lease ({seen.lease:g} s) of each kill",
        "never" if longest is None else f"after {longest:.2f} s at the latest",
        longest is not None and longest <= seen.lease,
    )
    costs = [bound / free - 1 for free, bound in seen.cost]
    cost = statistics.median(costs) if costs else 1.0
    yield Verdict(
        f"a limit of the whole queue costs at most {COST:.0%} of its throughput",
        f"{cost:+.1%} of the time in the median of {len(costs)} pairs ({', '.join(f'{one:+.1%}' for one in costs)})",
        cost <= COST,
    )


def per_second() -> float:
    """The rate of a key."""
    count, _, unit = KEY_RATE.partition("/")
    return float(count) / {"s": 1, "min": 60}[unit]


def rates(starts: dict[str, list[float]]) -> list[float]:
    """Messages a second of each key, from its first to its last."""
    return [(len(at) - 1) / (at[-1] - at[0]) for at in starts.values() if len(at) > 2]


def p99(waits: list[float]) -> float:
    return sorted(waits)[int(len(waits) * 0.99)] if waits else float("inf")


def draw(seen: Seen, title: str, file: Path) -> None:
    """The rates of the keys, how long the others waited, and how many ran at once while holders were killed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (keys, waits, running) = plt.subplots(3, 1, figsize=(11, 10))
    keys.hist([60 * rate for rate in rates(seen.starts)], bins=60)
    keys.set_xlabel(f"messages a minute of a key ({KEY_RATE} wanted)")
    keys.set_ylabel("keys")
    for name, some in (("alone", seen.alone), ("beside the keys", seen.beside)):
        steps = [100 * (number + 1) / len(some) for number in range(len(some))]
        waits.step([max(wait, 1e-4) * 1e3 for wait in sorted(some)], steps, where="post", label=name)
    waits.set_xscale("log")
    waits.set_xlabel("ms waited in another queue, at most")
    waits.set_ylabel("% of messages")
    waits.legend(loc="lower right")
    steps_at = at_once_of(seen.runs)
    begin = steps_at[0][0] if steps_at else 0.0
    running.step([at - begin for at, _ in steps_at], [count for _, count in steps_at], where="post", linewidth=0.8)
    for at, _ in seen.kills:
        running.axvline(at - begin, color="tab:red", linewidth=0.8)
    running.set_ylabel("running at once")
    running.set_xlabel("seconds; a red line is a kill")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)
