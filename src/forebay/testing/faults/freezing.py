"""Scenarios in which a worker is alive and does not answer: stopped by a signal, held by C code, told to leave."""

import contextlib
import fcntl
import signal

from forebay.engine.sqlite.holder import writer
from forebay.testing.faults import procs
from forebay.testing.faults.procs import Proc, strike
from forebay.testing.faults.trial import Broken, Trial
from forebay.testing.history import events


def stopped(trial: Trial) -> None:
    """T4: freeze a supervisor and its workers past their lease, and thaw them while others run what they held.

    The workers first, so that they tell of what they ran before their supervisor ends them for it.
    """
    frozen = trial.fleet(concurrency=4)
    trial.send("work", 4, seconds=2.5)
    trial.until_running(4)
    workers, family = frozen.children(), frozen.family()
    _freeze(trial, frozen)
    trial.fleet(concurrency=4)
    trial.until("the frozen worker is buried", lambda: trial.events(events.Recovered))
    trial.until("its messages run elsewhere", lambda: len(trial.events(events.Started)) >= 8)
    trial.fault("SIGCONT", f"processes {family}")
    for pid in workers:
        strike(pid, signal.SIGCONT)
    trial.until(
        "the thawed workers settle or leave",
        lambda: (
            any(event.pid in workers for event in trial.events(events.Settled))
            or not set(workers) & set(frozen.children())
        ),
    )
    frozen.signal_family(signal.SIGCONT)
    trial.send("work", 12)
    trial.drain()
    trial.until("the thawed fleet has a new worker", lambda: set(frozen.children()) - set(family))


def stopped_in_a_write(trial: Trial) -> None:
    """T4w: a worker stands still for two leases with the lock that all who write wait for; no lease is lost by that."""
    fleets = [trial.fleet(concurrency=4) for _ in range(2)]
    trial.send("work", 3_000, seconds=0.01)
    trial.until_running(4)
    workers, caught = [pid for fleet in fleets for pid in fleet.children()], list[int]()
    trial.until("one of them stands still in a write", lambda: _caught(trial, workers, caught))
    trial.pause(2.2 * trial.lease, 2.2 * trial.lease)
    trial.fault("SIGCONT", f"process {caught[0]}")
    strike(caught[0], signal.SIGCONT)
    trial.drain()
    if buried := [one for event in trial.events(events.Recovered) for one in event.buried]:
        raise Broken(f"{len(buried)} workers were held for lost that could not renew their leases")


def _caught(trial: Trial, workers: list[int], caught: list[int]) -> bool:
    """Stop one that writes; whether it still does once it stands."""
    database = trial.folder / "queue.db"
    if (pid := writer(database)) not in workers or not strike(pid, signal.SIGSTOP):
        return False
    trial.until("it stands still", lambda: procs.stopped([pid]))
    if writer(database) == pid:
        trial.fault("SIGSTOP", f"process {pid}, while it writes")
        caught.append(pid)
    else:
        strike(pid, signal.SIGCONT)
    return bool(caught)


def _freeze(trial: Trial, fleet: Proc) -> None:
    """At a moment at which it keeps nobody else from writing: that is another trouble, and it has an end of its own."""
    with contextlib.ExitStack() as stack:
        for path in trial.folder.glob("*.db-lock"):  # of SQLite
            fcntl.flock(stack.enter_context(path.open()), fcntl.LOCK_EX)
        family = fleet.family()
        trial.fault("SIGSTOP", f"processes {family}")
        fleet.signal_family(signal.SIGSTOP)
        trial.until("all of them stand still", lambda: procs.stopped(family))


def interpreter_held(trial: Trial) -> None:
    """T5: C code holds the interpreter for two leases: the parent keeps the lease, so nobody else runs it too."""
    trial.fleet(concurrency=4)
    trial.fleet(concurrency=4)
    (held,) = trial.send("hold_interpreter", 1, seconds=2.2 * trial.lease)
    trial.until_running()
    trial.send("work", 20, seconds=0.02)
    trial.drain()
    starts = [event for event in trial.events(events.Started) if event.id == held]
    if len(starts) != 1:
        raise Broken(f"the message that held the interpreter started {len(starts)} times")


def leaving(trial: Trial) -> None:
    """T25: tell workers to leave while they start, work, drain and insist; no attempt is spent on any of it."""
    trial.send("work", 60, seconds=0.15)
    starting = trial.fleet(concurrency=4)
    trial.pause(0.0, 0.6)
    _leave(trial, starting, codes=(0, -signal.SIGTERM))  # before it has begun to listen, it just ends
    working = trial.fleet(concurrency=4)
    trial.until_running(4)
    _leave(trial, working)
    trial.send("work", 8, seconds=3.0, ways={"priority": 1})  # first in turn, and still at work when it is told again
    insisted = trial.fleet(concurrency=4, drain=60.0)
    trial.until_running(4)
    trial.fault("SIGTERM", f"fleet {insisted.pid}")
    insisted.signal(signal.SIGTERM)
    trial.pause(0.1, 0.5)
    _leave(trial, insisted)
    _finish(trial)


def _leave(trial: Trial, fleet: Proc, codes: tuple[int, ...] = (0,)) -> None:
    trial.fault("SIGTERM", f"fleet {fleet.pid}")
    fleet.signal(signal.SIGTERM)
    code = fleet.wait()
    if code not in codes:
        raise Broken(f"a fleet that was told to leave ended with {code}; see {fleet.log}")


def _finish(trial: Trial) -> None:
    """What was handed back runs in a last fleet, as if it had never been started."""
    if not any(fate.move == "release" for event in trial.events(events.Settling) for fate in event.fates):
        raise Broken("nothing was handed back: no fleet was told to leave while it worked")
    trial.fleet(concurrency=16)
    trial.drain()
    spent = [found.id for found in trial.find(trial.ids) if found.attempt != 1]
    if spent:
        raise Broken(f"{len(spent)} messages were charged an attempt for a worker's leaving, {spent[0]} for one")
