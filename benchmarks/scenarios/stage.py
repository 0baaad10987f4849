"""What every scenario needs: a worker of an app as processes of their own, and waiting with an end to patience."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.room import ROOT

#: Seconds for starting and stopping processes.
PATIENCE = 30.0

Worker = subprocess.Popen[bytes]


class Broken(Exception):
    """The scenario could not be played; the text says why."""


def environment(url: str, namespace: str, folder: Path) -> dict[str, str]:
    """Where the app of a scenario works: a new file of its own, or a namespace of its own on a server."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "FOREBAY_URL": url if "://" in url else f"sqlite:///{folder}/scenario.db",
        **({"FOREBAY_NAMESPACE": namespace} if "://" in url else {}),
        "SCENARIO_DONE": f"{folder}/done",
    }


@contextmanager
def worker(app: str, slots: str, processes: int, log: Path, queues: str = "work") -> Iterator[Worker]:
    """A worker of these queues, ended at the end."""
    command = [sys.executable, "-m", "forebay", "worker", "-A", app]
    command += ["-Q", queues, "-c", slots, "-p", str(processes), "--drain", "2s"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def alive(process: Worker, log: Path) -> None:
    """Whether it runs.

    Raises:
        Broken: it has ended.
    """
    if process.poll() is not None:
        raise Broken(f"the worker has ended: {log.read_text()[-2000:]}")


def until(true: Callable[[], bool], otherwise: str) -> None:
    """Wait until something is true.

    Raises:
        Broken: it has not become so.
    """
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise Broken(otherwise)
        time.sleep(0.05)
