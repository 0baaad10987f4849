"""Scenarios in which a caller is struck in the middle of a call, or the system gives nothing more."""

import sys

from forebay.testing.faults.ground import NotHere
from forebay.testing.faults.procs import Proc, strike
from forebay.testing.faults.trial import Broken, Trial

#: Below every descriptor that a process may want to open next.
_NONE_LEFT = 3


def notebook(trial: Trial, count: int = 400) -> None:
    """T31: Ctrl-C at any moment of a notebook's calls, beside a fleet and a producer that nobody interrupts."""
    _beside_a_fleet(trial, "struck", count)


def cancelled(trial: Trial, count: int = 200) -> None:
    """T33: coroutines cancelled in every verb, beside a fleet that works and a producer that nobody cancels."""
    _beside_a_fleet(trial, "cancelled", count)


def few_interrupts(trial: Trial) -> None:
    """T31, short."""
    notebook(trial, 60)


def few_cancelled(trial: Trial) -> None:
    """T33, short."""
    cancelled(trial, 40)


def _beside_a_fleet(trial: Trial, program: str, count: int) -> None:
    trial.fleet(concurrency=8)
    messages = trial.messages("work", count)
    trial.expect([one.id for one in messages])
    first = int(messages[0].id[16:], 16)
    trial.fault(program, f"messages {first} to {first + count - 1}")
    caller = trial.start(["-m", f"forebay.testing.faults.{program}", str(trial.seed), str(first), str(count)])
    while caller.code is None:
        trial.send("work", 5)  # nobody is locked out meanwhile
        trial.pause(0.0, 0.1)
    if caller.code:
        raise Broken(f"the {program} caller ended with {caller.code}; see {caller.log}")
    trial.notes += caller.log.read_text().splitlines()[-1:] if program == "struck" else []
    trial.drain()


def nothing_left(trial: Trial) -> None:
    """T32: no process of a fleet may open a descriptor or begin a process for a while, and one of its workers dies."""
    fleet = trial.fleet(processes=2, concurrency=8)
    trial.send("work", 10)
    trial.drain()
    trial.until("both workers are known", lambda: fleet.log.read_text().count("runs as process") == 2)
    trial.pause(1.0, 1.5)
    before = _limit(fleet)
    trial.fault("descriptors", f"none left in {sorted(before)}")
    trial.send("work", 60, seconds=0.05)
    for task in ("in_thread", "in_process"):
        trial.send(task, 10, seconds=0.02)
    victim = trial.random.choice(fleet.children() or [fleet.pid])
    trial.pause(0.5, 1.0)
    if victim != fleet.pid:
        trial.fault("SIGKILL", f"process {victim}")
        strike(victim, 9)
    trial.pause(2.0, 3.0)
    _restore(before)
    trial.drain()


def _limit(fleet: Proc) -> dict[int, tuple[int, int]]:
    """Leave every process of a fleet what it has open, and nothing more; what they were allowed before."""
    if sys.platform != "linux":
        raise NotHere("the limits of another process can be set on Linux alone")
    from resource import RLIMIT_NOFILE, prlimit

    before: dict[int, tuple[int, int]] = {}
    for pid in fleet.family():
        before[pid] = prlimit(pid, RLIMIT_NOFILE)
        prlimit(pid, RLIMIT_NOFILE, (_NONE_LEFT, before[pid][1]))
    return before


def _restore(before: dict[int, tuple[int, int]]) -> None:
    from resource import RLIMIT_NOFILE, prlimit

    for pid, limits in before.items():
        if strike(pid, 0):
            prlimit(pid, RLIMIT_NOFILE, limits)
