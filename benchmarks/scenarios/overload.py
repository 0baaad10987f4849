"""Three times as much as the workers can do: is what they do still of use, and is all as usual soon after?

Starts a worker as processes of their own; this process sends at a steady pace, a part of it urgent, and never again
what was refused. What is done later than it is of use to anybody counts for nothing.
"""

import importlib
import os
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.room import base
from benchmarks.scenarios.judge import Verdict, rate
from benchmarks.scenarios.rows import forget
from benchmarks.scenarios.stage import alive, environment, until, worker
from forebay import QueueFull

#: Seconds that one takes; slots of each process, and processes: what they can do in a second.
SERVICE, SLOTS, PROCESSES = 0.2, 8, 2
CAPACITY = SLOTS * PROCESSES / SERVICE
#: Seconds after which a message is of no use; how many may wait, less than what is done in that time; for whom.
EXPIRES, LIMIT, RESERVE = 2.0, 100, 0.2
#: Times the capacity that is sent: in the overload, and before and after it. Which part of it is urgent.
OVERLOAD, USUAL, URGENT = 3.0, 0.5, 10
#: What is promised: goodput as a part of the capacity; seconds until all is as usual; the part of urgent ones refused.
GOODPUT, RECOVER, REFUSED = 0.9, 10.0, 0.01
#: Seconds that a message may wait while all is as usual; between two batches; until the queue has filled.
WAIT, STEP, FILL = 0.25, 0.02, 2.0
NAMESPACE = f"overload_{os.getpid()}"


@dataclass(frozen=True)
class Script:
    """How it is played: seconds before the overload, of it, and after it; where the worker's log is kept."""

    before: float
    over: float
    after: float
    log: Path


@dataclass
class Seen:
    """What was seen of one run; times are of CLOCK_MONOTONIC.

    Attributes:
        begin, up, down, stop: sending begins, the overload begins and ends, sending ends.
        sent: accepted ones: id, when, whether urgent. refused: when, whether urgent, what was told.
        done: by id, when. expired: how many ended without being run. levels: when, how many waited.
    """

    begin: float = 0.0
    up: float = 0.0
    down: float = 0.0
    stop: float = 0.0
    sent: list[tuple[str, float, bool]] = field(default_factory=list)
    refused: list[tuple[float, bool, float]] = field(default_factory=list)
    done: dict[str, float] = field(default_factory=dict)
    expired: int = 0
    levels: list[tuple[float, int]] = field(default_factory=list)


def play(url: str, script: Script) -> Seen:
    """Play it on one engine; once in a process, which keeps the app."""
    with tempfile.TemporaryDirectory(prefix="forebay-scenario-", dir=base()) as name:
        os.environ |= environment(url, NAMESPACE, Path(name))
        try:
            with worker("benchmarks.apps.overload_app:app", str(SLOTS), PROCESSES, script.log) as process:
                return _story(importlib.import_module("benchmarks.apps.overload_app"), script, process)
        finally:
            forget(url, NAMESPACE)
            sys.modules.pop("benchmarks.apps.overload_app", None)


def _story(overload_app: Any, script: Script, process: Any) -> Seen:
    file, seen = Path(os.environ["SCENARIO_DONE"]), Seen()
    with overload_app.app as app:
        overload_app.serve.using(id="warm", expires=60).enqueue()  # however long the worker takes to begin
        until(lambda: "warm" in _done(file), "the worker does not begin")
        seen.begin = time.monotonic()
        seen.up = seen.begin + script.before
        seen.down = seen.up + script.over
        seen.stop = seen.down + script.after
        _send(overload_app, seen, lambda: alive(process, script.log))
        until(lambda: _left(app) == 0, "not all of it ends")
        seen.done = _done(file)
        del seen.done["warm"]
        seen.expired = app.queues("work")[0].expired
    return seen


def _send(overload_app: Any, seen: Seen, look: Any) -> None:
    """What is due, in a batch of each kind; nothing again that was refused."""
    number, owed, last = 0, 0.0, seen.begin
    while (now := time.monotonic()) < seen.stop:
        owed += (now - last) * CAPACITY * (OVERLOAD if seen.up <= now < seen.down else USUAL)
        last, n, owed = now, int(owed), owed % 1
        kinds = [(number + k) % URGENT == 0 for k in range(n)]
        number += n
        for urgent in (False, True):
            if count := kinds.count(urgent):
                _batch(overload_app.serve.using(priority=int(urgent)), count, urgent, seen)
        if not seen.levels or now - seen.levels[-1][0] > 0.1:
            look()
            (depth,) = overload_app.app.queues("work")
            seen.levels.append((now, depth.ready))
        time.sleep(STEP)


def _batch(task: Any, count: int, urgent: bool, seen: Seen) -> None:
    ids = [f"{os.urandom(16).hex()}" for _ in range(count)]
    refused: set[str] = set()
    try:
        task.enqueue_many([task.call().using(id=id_) for id_ in ids])
    except QueueFull as full:
        refused = set(full.ids)
        seen.refused += [(time.monotonic(), urgent, full.retry_after or 0.0)] * len(refused)
    now = time.monotonic()
    seen.sent += [(id_, now, urgent) for id_ in ids if id_ not in refused]


def _left(app: Any) -> int:
    (depth,) = app.queues("work")
    return int(depth.ready + depth.scheduled + depth.running)


def _done(file: Path) -> dict[str, float]:
    lines = file.read_text().splitlines() if file.exists() else []
    return {id_: float(at) for id_, at in map(str.split, lines)}


# --- what it has come to ---


def useful(seen: Seen, *, urgent: bool | None = None) -> list[float]:
    """When those ended that were of use: begun before they had expired."""
    return sorted(
        seen.done[id_]
        for id_, at, kind in seen.sent
        if id_ in seen.done and seen.done[id_] - at <= EXPIRES + 2 * SERVICE and urgent in (None, kind)
    )


def verdicts(seen: Seen) -> Iterator[Verdict]:
    goodput = rate(useful(seen), seen.up + FILL, seen.down)
    offered = sum(seen.up <= at < seen.down for _, at, _ in seen.sent)
    offered += sum(seen.up <= at < seen.down for at, *_ in seen.refused)
    yield Verdict(
        f"goodput at least {GOODPUT:.0%} of capacity in the overload",
        f"{goodput:.1f}/s of {CAPACITY:g}/s ({goodput / CAPACITY:.0%}), sent {offered / (seen.down - seen.up):.0f}/s",
        goodput >= GOODPUT * CAPACITY,
    )
    yield _recovery(seen)
    yield _urgent(seen)
    late = len(seen.done) - len(useful(seen))
    yield Verdict(
        "work for nobody at most 1 %", f"{late} of {len(seen.done):,} done too late, {seen.expired} expired unbegun",
        late <= len(seen.done) / 100,
    )  # fmt: skip
    lost = len(seen.sent) - len(seen.done) - seen.expired
    known = {id_ for id_, *_ in seen.sent}
    yield Verdict(
        "nothing lost, nothing that was refused is done",
        f"{len(seen.sent):,} accepted, {lost} lost, {len(seen.done.keys() - known)} unknown",
        lost == 0 and seen.done.keys() <= known,
    )


def _recovery(seen: Seen) -> Verdict:
    slow = [at for id_, at, _ in seen.sent if seen.done.get(id_, at + 60) - at > WAIT + SERVICE and at >= seen.down]
    last = max([seen.down, *slow, *(at for at, *_ in seen.refused)]) - seen.down
    after = [at for _, at, _ in seen.sent if at >= seen.down + RECOVER / 2]
    return Verdict(
        f"as usual within {RECOVER:g} s after it",
        f"the last one refused or waiting for more than {WAIT * 1e3:g} ms came {last:.1f} s after it",
        last <= RECOVER and len(after) > 0,
    )


def _urgent(seen: Seen) -> Verdict:
    refused = sum(urgent for at, urgent, _ in seen.refused)
    waits = sorted(seen.done.get(id_, at + 60) - at - SERVICE for id_, at, urgent in seen.sent if urgent)
    usual = sum(not urgent for _, urgent, _ in seen.refused)
    p99 = waits[int(len(waits) * 0.99)] if waits else float("inf")
    return Verdict(
        f"urgent ones refused at most {REFUSED:.0%}",
        f"{refused} of {len(waits) + refused:,}, their p99 wait {p99 * 1e3:.0f} ms; {usual:,} others refused",
        refused <= REFUSED * (len(waits) + refused),
    )


def draw(seen: Seen, title: str, file: Path) -> None:
    """What is sent, refused and of use in each second; and how many wait."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (flow, full) = plt.subplots(2, 1, figsize=(11, 7), sharex=True, height_ratios=(3, 2))
    seconds = range(int(seen.stop - seen.begin) + 1)
    sent = sorted([at for _, at, _ in seen.sent] + [at for at, *_ in seen.refused])
    for name, times in (("sent", sent), ("done in time", useful(seen)), ("of these urgent", useful(seen, urgent=True))):
        edges = [bisect_left(times, seen.begin + second) for second in [*seconds, len(seconds)]]
        flow.plot(seconds, [after - before for before, after in pairwise(edges)], label=name)
    flow.axhline(CAPACITY, color="grey", linestyle=":", linewidth=0.8)
    flow.set_ylabel("messages a second")
    flow.legend(loc="upper right")
    full.plot([at - seen.begin for at, _ in seen.levels], [n for _, n in seen.levels])
    full.axhline(LIMIT, color="grey", linestyle=":", linewidth=0.8)
    full.set_ylabel("messages waiting")
    full.set_xlabel("seconds")
    for axis in (flow, full):
        axis.axvspan(seen.up - seen.begin, seen.down - seen.begin, color="tab:orange", alpha=0.12)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)
