"""A chain of four bounded queues whose last stage becomes slow: is everybody before it held, and the producer told?

Starts two workers as processes of their own, one of the last stage; this process sends, and looks how full all is. A
producer that is refused holds what it has, and tries it again and again until all of it is in, to see what it was told.
"""

import asyncio
import importlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.room import base
from benchmarks.scenarios.judge import Verdict
from benchmarks.scenarios.rows import forget
from benchmarks.scenarios.stage import alive, environment, until, worker
from benchmarks.scenarios.terms import BATCH, BATCHES, BOUND, LAST, SLOW, STAGES
from forebay import QueueFull
from forebay.flow.limit import reserve

QUEUES = ("upload", "resize", "store", "index")
#: Seconds between two looks, and between two tries of what was refused.
LOOK, AGAIN = 0.1, 0.02
#: Seconds in which the queues fill, and what is told follows; seconds until all is as before once the stage is quick.
SETTLE, RECOVER = 10.0, 10.0
#: By what factor what is told may be wrong, and how many of a hundred refusals have to keep to it.
FACTOR, MOST = 2.0, 80
#: How much the memory of a worker may grow from the first third of the slow time to the last: a part, and bytes.
GROWTH, SOME = 1.1, 8 << 20
NAMESPACE = f"slow_{os.getpid()}"


@dataclass(frozen=True)
class Script:
    """How it is played: seconds before the last stage becomes slow, of that, and after it; where the logs are kept."""

    before: float
    slow: float
    after: float
    log: Path


@dataclass
class Seen:
    """What was seen of one run; times are seconds since it began.

    Attributes:
        looks: when, how many waited in each queue, how many gates pressure held, bytes of the largest worker.
        refusals: when, what was told, how long it took.
        sent, done: messages accepted, and ended well in the last queue. failed: attempts that failed, anywhere.
        slow, quick, stop: when the last stage became slow and quick again, and when sending stopped.
    """

    looks: list[tuple[float, list[int], int, int]] = field(default_factory=list)
    refusals: list[tuple[float, float, float]] = field(default_factory=list)
    sent: int = 0
    done: int = 0
    failed: int = 0
    slow: float = 0.0
    quick: float = 0.0
    stop: float = 0.0


def play(url: str, script: Script) -> Seen:
    """Play it on one engine; once in a process, which keeps the app."""
    with tempfile.TemporaryDirectory(prefix="forebay-scenario-", dir=base()) as name:
        folder = Path(name)
        os.environ |= environment(url, NAMESPACE, folder)
        app, log = "benchmarks.apps.slow_app:app", script.log
        try:
            with (
                worker(app, str(STAGES), 1, log, "upload,resize,store") as stages,
                worker(app, str(LAST), 1, log.with_suffix(".last.log"), "index") as last,
            ):
                return _story(
                    importlib.import_module("benchmarks.apps.slow_app"), folder / "slow", script, stages, last
                )
        finally:
            forget(url, NAMESPACE)


def _story(slow_app: Any, mark: Path, script: Script, *processes: Any) -> Seen:
    with slow_app.app as app:
        slow_app.upload.enqueue(-1)
        until(lambda: app.queues("index")[0].done == 1, "the workers do not begin")
        begin, seen, over = time.monotonic(), Seen(), threading.Event()
        seen.slow, seen.quick = script.before, script.before + script.slow
        seen.stop = seen.quick + script.after
        threads = [
            threading.Thread(target=_send, args=(slow_app, seen, begin)),
            threading.Thread(target=_look, args=(app, seen, begin, over)),
        ]
        for thread in threads:
            thread.start()
        while threads[0].is_alive():
            for process in processes:
                alive(process, script.log)
            now = time.monotonic() - begin
            (mark.touch if seen.slow <= now < seen.quick else lambda: mark.unlink(missing_ok=True))()
            time.sleep(0.05)
        until(lambda: _waiting(app) == 0, "not all of it gets done")
        over.set()
        threads[1].join()
        depths = app.queues(*QUEUES)
        seen.done = app.queues("index")[0].done - 1
        seen.failed = sum(depth.retried + depth.dead for depth in depths)
        return seen


def _send(slow_app: Any, seen: Seen, begin: float) -> None:
    """A batch now and then; of one that is refused all that is missing, again and again, before the next one."""
    number, due = 0, 0.0
    while (now := time.monotonic() - begin) < seen.stop:
        if now < due:
            time.sleep(min(0.01, due - now))
            continue
        due = max(due, now - 1.0) + 1 / BATCHES
        calls = {f"u{n}": slow_app.upload.call(n).using(id=f"u{n}") for n in range(number, number + BATCH)}
        number += BATCH
        told: float | None = None
        while True:
            try:
                slow_app.upload.enqueue_many([*calls.values()])
            except QueueFull as full:
                told = full.retry_after if told is None else told
                calls = {id_: calls[id_] for id_ in full.ids}
                time.sleep(AGAIN)
            else:
                break
        seen.sent += BATCH
        if told is not None:
            seen.refusals.append((now, told, time.monotonic() - begin - now))


def _look(app: Any, seen: Seen, begin: float, over: threading.Event) -> None:
    while not over.wait(LOOK):
        now = time.monotonic() - begin
        depths = {depth.queue: depth for depth in app.queues(*QUEUES)}
        gates, rss = asyncio.run(_held(app))
        full = [depths[queue].ready + depths[queue].parked + depths[queue].scheduled for queue in QUEUES]
        seen.looks.append((now, full, gates, rss))


async def _held(app: Any) -> tuple[int, int]:
    gates = [gate for gate in await app.store.gates() if gate.holder == "pressure"]
    return len(gates), max([row.rss for row in await app.store.workers()], default=0)


def _waiting(app: Any) -> int:
    return sum(depth.ready + depth.parked + depth.scheduled + depth.running for depth in app.queues(*QUEUES))


# --- what it has come to ---


def verdicts(seen: Seen) -> Iterator[Verdict]:
    most = [max(full[place] for _, full, _, _ in seen.looks) for place in range(len(QUEUES))]
    told = ", ".join(f"{queue} {n}" for queue, n in zip(QUEUES, most, strict=True))
    kept = most[0] <= BOUND and max(most) <= BOUND + reserve(BOUND)
    yield Verdict(f"every bound of {BOUND} holds, with the reserve for what is done", f"at the most {told}", kept)
    yield _memory(seen)
    yield from _retry_after(seen)
    yield _recovery(seen)
    yield Verdict("work done and then refused 0", f"{seen.failed}", seen.failed == 0)
    yield Verdict("nothing lost or doubled", f"{seen.sent:,} sent, {seen.done:,} done", seen.sent == seen.done)


def _memory(seen: Seen) -> Verdict:
    third = (seen.quick - seen.slow) / 3
    first = max((rss for at, _, _, rss in seen.looks if seen.slow <= at < seen.slow + third), default=0)
    last = max((rss for at, _, _, rss in seen.looks if seen.quick - third <= at < seen.quick), default=0)
    return Verdict(
        "memory of the workers flat", f"{first >> 20} MB in the first third, {last >> 20} MB in the last",
        0 < last <= first * GROWTH + SOME,
    )  # fmt: skip


def _retry_after(seen: Seen) -> Iterator[Verdict]:
    judged = [(told, took) for at, told, took in seen.refusals if seen.slow + SETTLE <= at and at + took < seen.quick]
    right = [told for told, took in judged if took / FACTOR <= told <= took * FACTOR]
    share = 100 * len(right) / len(judged) if judged else 0.0
    ratios = sorted(told / max(took, 1e-3) for told, took in judged) or [0.0]
    yield Verdict(
        f"the first producer is refused with a Retry-After right within a factor of {FACTOR:g}",
        f"{len(judged)} refusals, {share:.0f} % of them so, told / took {ratios[len(ratios) // 2]:.2f} in the median "
        f"(the last stage makes {LAST / SLOW:.0f}/s)",
        len(judged) > 5 and share >= MOST,
    )


def _recovery(seen: Seen) -> Verdict:
    held = [at for at, _, gates, _ in seen.looks if gates and at >= seen.quick]
    refused = [at + took for at, _, took in seen.refusals if at + took >= seen.quick]
    last = max([seen.quick, *held, *refused]) - seen.quick
    pressed = any(gates for _, _, gates, _ in seen.looks)
    return Verdict(
        f"recovery without an operator within {RECOVER:g} s", f"nobody held or refused after {last:.1f} s",
        pressed and last <= RECOVER,
    )  # fmt: skip


def draw(seen: Seen, title: str, file: Path) -> None:
    """How full each queue is, how many stages are held, and what the producer was told."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (full, held, waits) = plt.subplots(3, 1, figsize=(11, 9), sharex=True, height_ratios=(3, 1, 2))
    times = [at for at, *_ in seen.looks]
    for place, queue in enumerate(QUEUES):
        full.plot(times, [counts[place] for _, counts, _, _ in seen.looks], label=queue)
    full.axhline(BOUND, color="grey", linestyle=":", linewidth=0.8)
    full.set_ylabel("messages waiting")
    full.legend(loc="upper right")
    held.step(times, [gates for _, _, gates, _ in seen.looks], where="post", color="tab:red")
    held.set_ylabel("stages held")
    waits.plot([at for at, _, _ in seen.refusals], [told for _, told, _ in seen.refusals], ".", label="told")
    waits.plot([at for at, _, _ in seen.refusals], [took for *_, took in seen.refusals], "+", label="took")
    waits.set_ylabel("seconds until there was room")
    waits.set_xlabel("seconds")
    waits.legend(loc="upper right")
    for axis in (full, held, waits):
        axis.axvspan(seen.slow, seen.quick, color="tab:orange", alpha=0.12)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)
