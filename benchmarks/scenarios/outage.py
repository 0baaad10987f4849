"""An outage of a provider: it answers 503, then nothing, then 429, while three tasks run, two of which call it.

Starts the provider, a worker and a producer as processes and threads of their own, looks at the rows of the messages
that wait, and hands what it has seen to `judge`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.room import ROOT, base
from benchmarks.scenarios.judge import UNRELATED, Done, Seen
from benchmarks.scenarios.rows import Look, forget, looks_at
from benchmarks.scenarios.stage import PATIENCE, Worker, alive, environment, until, worker
from benchmarks.scenarios.terms import CALLING, JITTER, OPEN_FOR
from benchmarks.scenarios.terms import UNRELATED as UNRELATED_RATE
from forebay.work.providers import BEHIND, TURNS

#: Seconds after which a probe's message is ready again, at the latest: it waits behind others for some pauses.
WAKES = BEHIND + (1 + TURNS) * OPEN_FOR * (1 + JITTER) + 0.5
#: Messages a second, by task.
RATES = {"charge": CALLING, "notify": CALLING, UNRELATED: UNRELATED_RATE}
#: Seconds between two batches of the producer, and between two looks at rows.
STEP, LOOK = 0.05, 1.0
SLOTS = "64"
#: Nobody else uses it on a server.
NAMESPACE = f"outage_{os.getpid()}"


@dataclass(frozen=True)
class Script:
    """How it is played.

    Attributes:
        before, outage, after: seconds that the provider works, fails and works again while messages are sent.
        processes: of the worker.
        log: where its log is kept.
    """

    before: float
    outage: float
    after: float
    processes: int
    log: Path


def play(url: str, script: Script) -> Seen:
    """Play it on one engine, and tell what was seen; once in a process, which keeps the app.

    Args:
        url: the engine's, or "sqlite" for a new file.
    """
    with tempfile.TemporaryDirectory(prefix="forebay-scenario-", dir=base()) as name:
        folder = Path(name)
        with service() as port:
            os.environ |= environment(url, NAMESPACE, folder) | {"SCENARIO_SERVICE": f"{port}"}
            try:
                with worker("benchmarks.apps.outage_app:app", SLOTS, script.processes, script.log) as process:
                    return _story(folder, port, process, script)
            finally:
                forget(url, NAMESPACE)


def _story(folder: Path, port: int, process: Worker, script: Script) -> Seen:
    from benchmarks.apps import outage_app

    with outage_app.app:
        _warm(outage_app, folder)
        begin = time.monotonic() + 0.2
        seen = planned(begin, script)
        ask(port, "plan", [(0.0, "ok"), *seen.phases])
        look = looks_at(os.environ["FOREBAY_URL"], NAMESPACE)
        threads = [
            threading.Thread(target=_send, args=(outage_app, seen)),
            threading.Thread(target=_look, args=(look, seen)),
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            alive(process, script.log)
            time.sleep(0.1)
        _await_end(folder, seen, process, script)
        seen.calls = [tuple(call) for call in ask(port, "log") if call[0] >= begin]
        seen.done = done(folder, begin)
        _uncalled(seen)
        return seen


def planned(begin: float, script: Script) -> Seen:
    down = begin + script.before
    back = down + script.outage
    thirds = [(down + part * script.outage / 3, mode) for part, mode in enumerate(("503", "hang", "429"))]
    return Seen(begin, down, back, back + script.after, [(begin, "ok"), *thirds, (back, "ok")])


def _warm(outage_app: Any, folder: Path) -> None:
    """Wait until the worker has done one message of each task."""
    for task in RATES:
        getattr(outage_app, task).using(id=f"{task}-warm").enqueue()
    until(lambda: len(done(folder, 0.0)) >= len(RATES), "the worker does not begin")


def _send(outage_app: Any, seen: Seen) -> None:
    """Messages at a steady pace, in small batches; those of a batch that is late come with the next."""
    counts = dict.fromkeys(RATES, 0)
    while (now := time.monotonic()) < seen.stop:
        for name, per_second in RATES.items():
            due = int(max(0.0, now - seen.begin) * per_second)
            messages = [f"{name}-{number}" for number in range(counts[name], due)]
            if messages:
                task = getattr(outage_app, name)
                task.enqueue_many([task.call().using(id=message) for message in messages])
                at = time.monotonic()
                seen.sent += [(at, message) for message in messages]
                counts[name] = due
        time.sleep(STEP)


def _look(look: Look, seen: Seen) -> None:
    """Compare the rows of what waits, each second of the outage, with what they were; keep which differ."""
    rows: dict[str, str] = {}
    while (now := time.monotonic()) < seen.back:
        if now >= seen.down:
            after = look()
            seen.changed.append((time.monotonic(), [one for one, row in after.items() if rows.get(one, row) != row]))
            rows = after
        time.sleep(LOOK)


def _uncalled(seen: Seen) -> None:
    """Leave out of what was rewritten the messages that have just called the provider: those are the probes.

    Such a one is leased, put back, and ready again a moment later.
    """
    for at, changed in seen.changed:
        called = {message for began, ended, message, _ in seen.calls if began < at and ended > at - LOOK - WAKES}
        seen.rewritten.append((at, len(set(changed) - called)))


def _await_end(folder: Path, seen: Seen, process: Worker, script: Script) -> None:
    """Until all is done, or nothing more gets done."""
    count, since = 0, time.monotonic()
    while (found := len(done(folder, seen.begin))) < len(seen.sent) and time.monotonic() - since < PATIENCE:
        alive(process, script.log)
        if found > count:
            count, since = found, time.monotonic()
        time.sleep(0.2)
    time.sleep(0.5)  # for what would come twice


def done(folder: Path, begin: float) -> list[Done]:
    file = folder / "done"
    lines = file.read_text().splitlines() if file.exists() else []
    found = [Done(float(at), message, int(attempt)) for message, attempt, at in map(str.split, lines)]
    return [one for one in found if one.at >= begin and not one.id.endswith("-warm")] if begin else found


# --- processes ---


@contextmanager
def service() -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.scenarios.service"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def ask(port: int, path: str, plan: Sequence[Any] | None = None) -> Any:
    body = None if plan is None else json.dumps(plan).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", body, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")
