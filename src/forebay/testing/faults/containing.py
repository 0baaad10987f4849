"""Scenarios of containers: processes that share a volume and a host name, but not their pids. Needs Linux."""

import shutil
import signal
import subprocess

from forebay.testing.faults.ground import NotHere
from forebay.testing.faults.procs import Proc, strike
from forebay.testing.faults.trial import LEISURE, Broken, Trial
from forebay.testing.history import events

_CONTAINED = ("unshare", "--pid", "--fork", "--kill-child")
_WORKER = ("-m", "forebay", "worker", "-A", "forebay.testing.faults.crew", "-c", "4", "--drain", "5s")


def apart(trial: Trial) -> None:
    """T34: two fleets in two containers work side by side; one is killed: its messages come back after the lease."""
    _possible()
    trial.lease = 4.0  # a busy machine takes a while from the opening of a server to the first heartbeat
    doomed = trial.start(_WORKER, before=[*_CONTAINED, "--mount-proc"])
    other = trial.start(_WORKER, before=_CONTAINED)  # with a /proc that counts the processes of somebody else
    trial.until("both fleets are up", lambda: len(_rows(trial)) == 2, look=LEISURE)
    if len({host for _, host, _ in _rows(trial)}) != 2:
        raise Broken("two containers count as one host")
    trial.send("work", 6, seconds=2.5 * trial.lease)
    trial.send("work", 30, seconds=0.05)
    trial.until("both work", lambda: len(_busy(trial)) == 2, look=LEISURE)
    trial.pause(2.0 * trial.lease, 2.0 * trial.lease)
    if lost := trial.events(events.Recovered):
        raise Broken(f"a living worker was buried: {lost[0]}")
    trial.send("work", 8, seconds=trial.lease)
    trial.until("both work again", lambda: len(_busy(trial)) == 2, look=LEISURE)
    trial.fault("SIGKILL", f"container {doomed.pid}")
    doomed.kill()
    trial.until("the lost container is buried", lambda: trial.events(events.Recovered))
    trial.drain()
    _leave(other)


def _possible() -> None:
    if shutil.which("unshare") is None:
        raise NotHere("there is no unshare here")
    tried = subprocess.run([*_CONTAINED, "--mount-proc", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise NotHere(f"pid namespaces cannot be made here: {tried.stderr.strip()}")


def _rows(trial: Trial) -> list[tuple[str, str, int]]:
    return [(row.worker, row.host, row.pid) for row in trial.do(trial.engine.workers())]


def _busy(trial: Trial) -> set[str]:
    """The workers that run something."""
    return {found.worker or "" for found in trial.find(trial.ids) if found.state == "running"}


def _leave(contained: Proc) -> None:
    """Tell the first process inside; what holds the container ends with it."""
    for pid in contained.children():
        strike(pid, signal.SIGTERM)
    contained.wait()
