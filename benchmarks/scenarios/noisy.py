"""A noisy tenant beside quiet ones, and tasks of a minute beside tasks of 5 ms: how long do the others wait?

Each figure is measured twice on the same queue, once with the others alone. Starts a worker as processes of their own;
this process sends at a steady pace.
"""

import importlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.room import base
from benchmarks.scenarios.judge import Verdict
from benchmarks.scenarios.rows import forget
from benchmarks.scenarios.stage import alive, environment, until, worker

#: Quiet keys, each with a message a second; seconds that one of those takes.
QUIET, SHORT = 50, 0.02
#: How many times as much the noisy key sends, and how many times as long its messages take.
LOAD, LONGER = 100, 10
#: Fast tasks a second and seconds that one takes; the slow ones among them, and how long those take.
FAST, FASTER, PART, SLOW = 100, 0.005, 0.01, 60.0
#: How many times as long the others may wait as when they are alone; below the floor, in seconds, nobody can tell.
MOST, FLOOR = 2.0, 0.005
#: Slots of each of the worker's processes.
SLOTS = "8"
#: Seconds between two batches of the producer.
STEP = 0.01
NAMESPACE = f"noisy_{os.getpid()}"

#: When to send, which task, for which key, how long it takes, whether its wait is judged.
Sending = tuple[float, str, str | None, float, bool]


@dataclass
class Waits:
    """Of one half of the scenario: seconds that each judged message waited, and how many others ran."""

    name: str
    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    others: int = 0


@dataclass(frozen=True)
class Script:
    """How it is played: seconds of each of the four runs, processes of the worker, and where its log is kept."""

    seconds: float
    processes: int
    log: Path


def play(url: str, script: Script) -> list[Waits]:
    """Play both halves on one engine, each run in a place of its own."""
    tenants, tasks = Waits("noisy key"), Waits("slow tasks")
    for one, plan in ((tenants, _tenants), (tasks, _tasks)):
        one.alone, _ = _played(url, script, list(plan(script.seconds, others=False)))
        one.beside, one.others = _played(url, script, list(plan(script.seconds, others=True)))
    return [tenants, tasks]


def verdicts(seen: Iterable[Waits]) -> Iterator[Verdict]:
    for one in seen:
        before, after = p99(one.alone), p99(one.beside)
        yield Verdict(
            f"{one.name}: p99 wait of the others at most {MOST:g} times their alone figure",
            f"{before * 1e3:.1f} ms alone, {after * 1e3:.1f} ms beside {one.others:,} that ran "
            f"({len(one.beside):,} of the others)",
            after <= MOST * max(before, FLOOR) and one.others > 0,
        )


def p99(waits: list[float]) -> float:
    return sorted(waits)[int(len(waits) * 0.99)] if waits else float("inf")


def _tenants(seconds: float, *, others: bool) -> Iterator[Sending]:
    draw = random.Random(1)
    for number in range(QUIET):
        yield from ((at, "serve", f"quiet-{number}", SHORT, True) for at in _arrivals(draw, 1.0, seconds))
    if others:
        yield from ((at, "serve", "noisy", LONGER * SHORT, False) for at in _arrivals(draw, LOAD, seconds))


def _tasks(seconds: float, *, others: bool) -> Iterator[Sending]:
    draw = random.Random(2)
    yield from ((at, "serve", None, FASTER, True) for at in _arrivals(draw, FAST * (1 - PART), seconds))
    if others:
        yield from ((at, "report", None, SLOW, False) for at in _arrivals(draw, FAST * PART, seconds))


def _arrivals(draw: random.Random, rate: float, seconds: float) -> Iterator[float]:
    at = draw.expovariate(rate)
    while at < seconds:
        yield at
        at += draw.expovariate(rate)


def _played(url: str, script: Script, plan: list[Sending]) -> tuple[list[float], int]:
    with tempfile.TemporaryDirectory(prefix="forebay-scenario-", dir=base()) as name:
        os.environ |= environment(url, NAMESPACE, Path(name))
        sys.modules.pop("benchmarks.apps.noisy_app", None)  # another app, in this place
        try:
            return _run(importlib.import_module("benchmarks.apps.noisy_app"), script, plan)
        finally:
            forget(url, NAMESPACE)


def _run(noisy_app: Any, script: Script, plan: list[Sending]) -> tuple[list[float], int]:
    """Seconds that the judged ones have waited, and how many others have begun."""
    file = Path(os.environ["SCENARIO_DONE"])
    with noisy_app.app, worker("benchmarks.apps.noisy_app:app", SLOTS, script.processes, script.log) as process:
        noisy_app.serve.using(id="warm").enqueue(0.0)
        until(lambda: "warm" in _begun(file), "the worker does not begin")
        sent = _send(noisy_app, sorted(plan), process, script)
        judged = {id_ for id_, (_, counts) in sent.items() if counts}
        until(lambda: judged <= _begun(file).keys(), "not all of the others are run")
        begun = _begun(file)
        waits = [max(0.0, begun[id_] - sent[id_][0]) for id_ in judged]
        return waits, len(begun.keys() & (sent.keys() - judged))


def _send(noisy_app: Any, plan: list[Sending], process: Any, script: Script) -> dict[str, tuple[float, bool]]:
    """Those that are due, in one batch; when each was accepted, and whether it is judged."""
    sent: dict[str, tuple[float, bool]] = {}
    begin, done = time.monotonic(), 0
    while done < len(plan):
        alive(process, script.log)
        now = time.monotonic() - begin
        due = [one for one in plan[done : done + 500] if one[0] <= now]
        for name in dict.fromkeys(one[1] for one in due):
            task = getattr(noisy_app, name)
            some = [one for one in due if one[1] == name]
            handles = task.enqueue_many([task.call(took).using(key=key) for _, _, key, took, _ in some])
            at = time.monotonic()
            sent |= {handle.id: (at, one[4]) for handle, one in zip(handles, some, strict=True)}
        done += len(due)
        time.sleep(STEP)
    return sent


def _begun(file: Path) -> dict[str, float]:
    lines = file.read_text().splitlines() if file.exists() else []
    return {id_: float(at) for id_, at in map(str.split, lines)}


def draw(seen: list[Waits], title: str, file: Path) -> None:
    """How many of a hundred waited at most so long, alone and beside."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(seen), figsize=(11, 4.5), sharey=True)
    for axis, one in zip(axes, seen, strict=True):
        for name, waits in (("alone", one.alone), (f"beside the {one.name}", one.beside)):
            steps = [100 * (number + 1) / len(waits) for number in range(len(waits))]
            axis.step([max(wait, 1e-4) * 1e3 for wait in sorted(waits)], steps, where="post", label=name)
        axis.axhline(99, color="grey", linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.set_xlabel("ms waited, at most")
        axis.set_title(one.name)
        axis.legend(loc="lower right")
    axes[0].set_ylabel("% of messages")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)
