"""A provider that says "until 14:00" at nine: one call, and none before then; or the work goes on elsewhere meanwhile.

Hours pass in seconds: engine and worker live by a clock that the scenario moves on. The worker is in this process, the
providers are two small HTTP services on this machine.
"""

import asyncio
import os
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.room import base
from benchmarks.scenarios.judge import Verdict
from benchmarks.scenarios.rows import forget
from benchmarks.scenarios.stage import PATIENCE, environment
from forebay import Context, Forebay, State
from forebay.config import WorkerOptions
from forebay.observe.why import why_message
from forebay.testing import ManualClock
from forebay.work.dev import working

HOUR = 3600.0
#: Nine and two o'clock of some day.
NINE = 20_000 * 86_400 + 9 * HOUR
RESET = NINE + 5 * HOUR
#: Messages at nine, messages after that, and seconds between two of those; seconds after which is looked no more.
FIRST, LATER, EVERY, END = 20, 60, 360.0, RESET + 1.5 * HOUR
#: How the time passes: so many seconds of the scenario in so many of ours; slower around the reset.
STEP, PAUSE, NEAR = 60.0, 0.04, 2.0
#: Seconds after the reset in which everything that waited is done: a second call each at the most.
CLEARED = 120.0
NAMESPACE = f"usage_{os.getpid()}"


@dataclass
class Half:
    """What was seen without or with a fallback; times are seconds after nine.

    Attributes:
        calls: of each service: when, and what it answered.
        done: when each message was done, who answered it, and its attempts.
        told: what `forebay why` says of a message that waits.
    """

    name: str
    calls: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    sent: list[float] = field(default_factory=list)
    done: list[tuple[float, str, int]] = field(default_factory=list)
    told: str = ""


class Service(ThreadingHTTPServer):
    """Answers, unless its limit is used up: then it says until when."""

    def __init__(self, clock: ManualClock, calls: list[tuple[float, int]], *, used_up: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.clock, self.calls, self.used_up = clock, calls, used_up
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        service: Any = self.server
        now = service.clock.now()
        waits = service.used_up and now < RESET
        service.calls.append((now - NINE, 429 if waits else 200))
        self.send_response(429 if waits else 200)
        if waits:
            self.send_header("Retry-After", str(int(RESET - now)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def play(url: str) -> list[Half]:
    return [_played(url, Half("without a fallback")), _played(url, Half("with a fallback"))]


def _played(url: str, half: Half) -> Half:
    clock, half.calls = ManualClock(wall=NINE), {"llm": [], "other": []}
    services = {
        "llm": Service(clock, half.calls["llm"], used_up=True),
        "other": Service(clock, half.calls["other"], used_up=False),
    }
    with tempfile.TemporaryDirectory(prefix="forebay-scenario-", dir=base()) as name:
        os.environ |= environment(url, NAMESPACE, Path(name))
        try:
            with Forebay(clock=clock, lease=1e6, poll=0.1, result_ttl="1d") as app:
                asyncio.run(_run(app, clock, half, {one: service.url for one, service in services.items()}))
        finally:
            forget(url, NAMESPACE)
            for service in services.values():
                service.shutdown()
                service.server_close()
    return half


async def _run(app: Forebay, clock: ManualClock, half: Half, urls: dict[str, str]) -> None:
    fallback: dict[str, Any] = {"fallback": "other"} if half.name.startswith("with a") else {}
    app.provider("llm", concurrency=4, **fallback)
    app.provider("other", concurrency=4)

    @app.task(queue="work", provider="llm")
    def ask(ctx: Context) -> str:
        with urllib.request.urlopen(urls[ctx.provider or ""], timeout=10):
            half.done.append((clock.now() - NINE, ctx.provider or "", ctx.attempt))
        return ctx.provider or ""

    async def send(count: int) -> str:
        half.sent += [clock.now() - NINE] * count
        ids = [(await ask.aenqueue()).id for _ in range(count)]
        return ids[-1]

    async with working(app, WorkerOptions(queues=("work",), concurrency=8)):
        await send(1)  # who asks at the same moment does not know yet
        await _until(lambda: bool(half.calls["llm"]))
        await asyncio.sleep(1.0)
        waits, left, due = await send(FIRST - 1), LATER, NINE + EVERY
        while clock.now() < END:
            clock.advance(NEAR if abs(clock.now() - RESET) < CLEARED else STEP)
            if left and clock.now() >= due:
                await send(1)
                left, due = left - 1, due + EVERY
            if not half.told and clock.now() > NINE + HOUR:
                half.told = await _told(app, waits)
            await asyncio.sleep(PAUSE)
        await _until(lambda: len(half.done) >= len(half.sent))


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - another part of this process is about to do it
            await asyncio.sleep(PAUSE)


async def _told(app: Forebay, id_: str) -> str:
    (found,) = await app.store.find([id_])
    if found is None or found.state is State.DONE:
        return "it is done"
    return (await why_message(app.engine, app.store, found, lease=15.0, app="app"))[0].text


def verdicts(seen: Iterable[Half]) -> Iterator[Verdict]:
    reset = RESET - NINE
    for half in seen:
        early = [at for at, what in half.calls["llm"] if at < reset]
        burnt = sum(attempt - 1 for *_, attempt in half.done)
        yield Verdict(
            f"{half.name}: one call of the provider that says 'until 14:00', and none before then",
            f"{len(early)} of {len(half.calls['llm'])} before 14:00",
            len(early) == 1,
        )
        yield Verdict(f"{half.name}: no attempt burnt", f"{burnt}", burnt == 0)
        yield Verdict(
            f"{half.name}: all done, none of them twice",
            f"{len(half.sent)} sent, {len(half.done)} done",
            len(half.sent) == len(half.done),
        )
    without, with_ = seen
    late = max((at for at, *_ in without.done[: sum(at < reset for at in without.sent)]), default=float("inf")) - reset
    yield Verdict(
        f"without a fallback: what waited is done within {CLEARED:g} s of 14:00", f"after {late:.0f} s", late <= CLEARED
    )
    yield Verdict(
        "without a fallback: whoever waits is told until when",
        without.told,
        "asked to wait, for another" in without.told,
    )
    elsewhere = sum(who == "other" and at < reset for at, who, _ in with_.done)
    later = {who for at, who, _ in with_.done if at > reset + CLEARED}
    yield Verdict(
        "with a fallback: the work goes on elsewhere until then, and not after it",
        f"{elsewhere} done by the other before 14:00 of {sum(at < reset for at in with_.sent)} sent, "
        f"after it by {', '.join(sorted(later)) or 'nobody'}",
        elsewhere >= sum(at < reset - CLEARED for at in with_.sent) and later == {"llm"},
    )


def draw(seen: list[Half], title: str, file: Path) -> None:
    """What was sent and done by whom, and each call of the provider whose limit is used up."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(seen), 1, figsize=(11, 7), sharex=True)
    for axis, half in zip(axes, seen, strict=True):
        lines = {"sent": half.sent}
        lines |= {f"done by {who}": [at for at, by, _ in half.done if by == who] for who in half.calls}
        for name, times in lines.items():
            steps = [0.0, *sorted(times)]
            axis.step([9 + at / HOUR for at in steps], range(len(steps)), where="post", label=name)
        calls = [9 + at / HOUR for at, what in half.calls["llm"] if what == 429]
        axis.plot(calls, [0] * len(calls), "x", color="tab:red", label="429, until 14:00")
        axis.axvline(9 + (RESET - NINE) / HOUR, color="grey", linewidth=0.8, linestyle=":")
        axis.set_title(half.name)
        axis.set_ylabel("messages")
        axis.legend(loc="upper left")
    axes[-1].set_xlabel("o'clock")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)
