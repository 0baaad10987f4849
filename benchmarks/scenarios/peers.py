"""The outage again, on others: Celery, Dramatiq and FlexiQ, with the retries that their documentation names.

The same provider, pace and script; each has its own store: a Redis server of its own, or a file. Nothing here is
judged: what was seen of each stands beside the promises that Forebay is held to. One that is not installed is left out.
"""

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import redis
from benchmarks.room import ROOT, base
from benchmarks.scenarios import judge, outage, plot
from benchmarks.scenarios.judge import NOTICE, UNRELATED, Seen, Verdict
from benchmarks.scenarios.stage import PATIENCE, alive, until

#: Seconds after which it is not waited for any longer, once nothing more is sent.
LEFT = 20.0
#: Seconds after the return in which it is looked how many call at a time.
RETURN = 5.0


@dataclass(frozen=True)
class Peer:
    """Who else plays it.

    Attributes:
        package: by which it is known whether it is installed.
        app: the module of `benchmarks.apps` that has its tasks.
        worker: the arguments of its worker.
        server: whether it needs Redis.
    """

    name: str
    package: str
    app: str
    worker: tuple[str, ...]
    server: bool = True
    breaker: bool = False


class Told(Verdict):
    """What was seen of one that has promised nothing."""

    def __str__(self) -> str:
        return f"{self.promise}: {self.got}"


_FLEXIQ = ("flexiq.cli", "worker", "--app", "benchmarks.apps.outage_flexiq:queue")
PEERS = (
    Peer(
        "Celery", "celery", "outage_celery",
        ("celery", "-A", "benchmarks.apps.outage_celery", "worker", "-P", "threads", "-c", "64", "--loglevel=ERROR"),
    ),
    Peer(
        "Dramatiq", "dramatiq", "outage_dramatiq",
        ("dramatiq", "benchmarks.apps.outage_dramatiq", "-p", "2", "-t", "32"),
    ),
    Peer("FlexiQ", "flexiq", "outage_flexiq", _FLEXIQ, server=False),
    Peer("FlexiQ with its breaker", "flexiq", "outage_flexiq", _FLEXIQ, server=False, breaker=True),
)  # fmt: skip


def play(script: outage.Script) -> dict[str, Seen]:
    """Play it on each that is installed; what was seen, by name. Each in a process of its own would do no more."""
    found = [peer for peer in PEERS if importlib.util.find_spec(peer.package) is not None]
    return {peer.name: _played(peer, script) for peer in found}


def verdicts(seen: dict[str, Seen]) -> list[Verdict]:
    """What was seen of each."""
    return [Told(name, _told(one), kept=True) for name, one in seen.items()]


def draw(seen: dict[str, Seen], title: str, file: Path) -> None:
    """A picture of each."""
    for name, one in seen.items():
        plot.draw(one, f"{title}: {name}", file.with_stem(f"{file.stem}-{name.lower().replace(' ', '-')}"))


def _told(seen: Seen) -> str:
    calls = sum(seen.down + NOTICE <= began < seen.back for began, *_ in seen.calls)
    others = [done.at for done in seen.done if done.task == UNRELATED]
    before = judge.rate(others, seen.begin + 1.0, seen.down)
    share = judge.rate(others, seen.down, seen.back) / before if before else 0.0
    most = max((n for at, n in judge.at_once(seen.calls) if seen.back <= at < seen.back + RETURN), default=0)
    ids = {message for _, message in seen.sent}
    left = len(ids - {done.id for done in seen.done})
    return (
        f"{calls:,} calls from {NOTICE:g} s after its beginning on, others at {share:.0%} of before, up to {most} "
        f"calls at a time on return, {left:,} of {len(ids):,} not done {LEFT:g} s after the last was sent"
    )


def _played(peer: Peer, script: outage.Script) -> Seen:
    with tempfile.TemporaryDirectory(prefix="forebay-peer-", dir=base()) as name, ExitStack() as stack:
        folder = Path(name)
        port = stack.enter_context(outage.service())
        os.environ |= {
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "SCENARIO_SERVICE": f"{port}", "SCENARIO_DONE": f"{folder}/done",
            "SCENARIO_BREAKER": "yes" if peer.breaker else "",
        }  # fmt: skip
        if peer.server:
            os.environ["SCENARIO_REDIS"] = str(stack.enter_context(redis.server(folder, appends=True)))
        process = stack.enter_context(_worker(peer, script.log))
        sys.modules.pop(f"benchmarks.apps.{peer.app}", None)  # it reads where it works when it is imported
        app = importlib.import_module(f"benchmarks.apps.{peer.app}")
        for task in outage.RATES:
            app.send(task, f"{task}-warm")
        until(lambda: len(outage.done(folder, 0.0)) >= len(outage.RATES), f"the worker of {peer.name} does not begin")
        begin = time.monotonic() + 0.2
        seen = outage.planned(begin, script)
        outage.ask(port, "plan", [(0.0, "ok"), *seen.phases])
        sender = threading.Thread(target=_send, args=(app, seen))
        sender.start()
        while sender.is_alive():
            alive(process, script.log)
            time.sleep(0.1)
        while len(outage.done(folder, begin)) < len(seen.sent) and time.monotonic() < seen.stop + LEFT:
            time.sleep(0.2)
        seen.calls = [tuple(call) for call in outage.ask(port, "log") if call[0] >= begin]
        seen.done = outage.done(folder, begin)
        return seen


def _send(app: Any, seen: Seen) -> None:
    counts = dict.fromkeys(outage.RATES, 0)
    while (now := time.monotonic()) < seen.stop:
        for name, per_second in outage.RATES.items():
            due = int(max(0.0, now - seen.begin) * per_second)
            for number in range(counts[name], due):
                app.send(name, f"{name}-{number}")
                seen.sent.append((time.monotonic(), f"{name}-{number}"))
            counts[name] = max(counts[name], due)
        time.sleep(outage.STEP)


@contextmanager
def _worker(peer: Peer, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Its worker, ended at the end, with all that it has started."""
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", *peer.worker], cwd=ROOT, stdout=file, stderr=file)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
