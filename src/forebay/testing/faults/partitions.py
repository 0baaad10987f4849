"""Scenarios in which the network fails: packets vanish without a word, as when a cable is pulled or a router dies.

The server lives in a network namespace of its own, fleets and producers on a host beside it (see `netns`). The trial
itself comes by a Unix socket, so that what it sees is never cut off.
"""

import time

from forebay.engine.patience import DEADLINE
from forebay.testing.faults.load import Load
from forebay.testing.faults.netns import Host
from forebay.testing.faults.procs import Proc
from forebay.testing.faults.trial import PATIENCE, Broken, Trial
from forebay.testing.history import events

#: Seconds after its deadline by which a publish has to have ended, on a busy machine.
_LATE = 3.0
#: Seconds from the return of a link until each worker has to consume again. Who connects just before that sends again
#: seconds later, by TCP's own clock.
_BACK = 8.0


def cut_off(trial: Trial, seconds: tuple[float, ...] = (0.3, 1.5, 3.0, 6.0, 14.0)) -> None:
    """T8n: the server's link is down, for shorter and longer than a lease, a lost answer, and a publish's deadline."""
    host = trial.net().host()
    load = Load(trial, host=host)
    for away in seconds:
        trial.pause(0.2, 0.8)
        trial.fault("link", f"down for {away} s")
        host.cut()
        trial.pause(away, away)
        _mended(trial, host, load)
    _finish(load, trial)


def cut_off_once(trial: Trial) -> None:
    """T8n, short: within a lease, so that nobody has to start anew."""
    trial.lease = 10.0
    host = trial.net().host()
    load = Load(trial, host=host, fleets=1)
    trial.fault("link", "down for 1 s")
    host.cut()
    trial.pause(1.0, 1.0)
    _mended(trial, host, load)
    _finish(load, trial, within=PATIENCE, late=PATIENCE)


def one_sided(trial: Trial, seconds: tuple[float, ...] = (1.0, 7.0)) -> None:
    """T8o: what clients send vanishes, then what the server answers: it has done what was asked, and nobody knows."""
    host = trial.net().host()
    load = Load(trial, host=host)
    for away in seconds:
        for what in ("requests", "answers"):
            trial.pause(0.2, 0.8)
            trial.fault("link", f"{what} vanish for {away} s")
            host.lose("requests" if what == "requests" else "answers")
            trial.pause(away, away)
            _mended(trial, host, load)
    _finish(load, trial)


def flapping(trial: Trial, times: int = 40) -> None:
    """T8l: the link goes down and up, again and again; each time something else is lost."""
    host = trial.net().host()
    load = Load(trial, host=host)
    trial.fault("link", f"flaps {times} times")
    for _ in range(times):
        host.cut()
        trial.pause(0.01, 0.4)
        host.mend()
        trial.pause(0.01, 0.4)
    _mended(trial, host, load)
    _finish(load, trial)


def one_host(trial: Trial) -> None:
    """T8h: one fleet's host is cut off, wholly and then one way; others run its messages after the lease."""
    net = trial.net()
    host, other = net.host(), net.host()
    apart = trial.fleet(concurrency=4, host=host)
    trial.send("work", 4, seconds=0.1)
    trial.until("the fleet is at work", lambda: _takes(trial, apart, 0.0))
    load = Load(trial, host=other)
    for what in ("both", "requests", "answers"):
        _set_apart(trial, apart, host, what)
        load.comes_back(time.monotonic())
        _takes_part_again(trial, apart, host, what)
    if apart.code is not None:
        raise Broken(f"the fleet that was cut off ended with {apart.code}")
    _finish(load, trial)


def _set_apart(trial: Trial, apart: Proc, host: Host, what: str) -> None:
    """Cut it off while it holds messages, until those run elsewhere."""
    held = trial.send("work", 12, seconds=2.5 * trial.lease)
    trial.until("it holds some", lambda: _held(trial, apart, held))
    trial.fault("link", f"of fleet {apart.pid}: {what}")
    if what == "both":
        host.cut()
    else:
        host.lose("requests" if what == "requests" else "answers")
    mine = _held(trial, apart, held)
    trial.until("its messages run elsewhere", lambda: _elsewhere(trial, apart, mine))


def _takes_part_again(trial: Trial, apart: Proc, host: Host, what: str) -> None:
    trial.fault("link", f"of fleet {apart.pid} is back")
    host.mend()
    since = time.monotonic()
    trial.send("work", 40, seconds=0.2)
    trial.until("the worker consumes again", lambda: _takes(trial, apart, since))
    trial.notes.append(f"{what} lost: consumes again {_takes(trial, apart, since):.2f} s after the return")


def _mended(trial: Trial, host: Host, load: Load) -> None:
    host.mend()
    back = time.monotonic()
    trial.fault("link", "up")
    load.comes_back(back)


def _finish(load: Load, trial: Trial, within: float = _BACK, late: float = _LATE) -> None:
    load.finish(within=within)
    longest = load.longest_publish()
    trial.notes.append(f"a publish was accepted, or raised, after {longest:.2f} s at the most")
    if longest > DEADLINE + late:
        raise Broken(f"a publish neither returned nor raised for {longest:.1f} s")


def _held(trial: Trial, fleet: Proc, ids: list[str]) -> list[str]:
    """Those that run in the fleet just now."""
    pids = set(fleet.family())
    ended = {(event.id, event.fence) for event in trial.events(events.Ended)}
    starts = trial.events(events.Started)
    return [
        event.id for event in starts
        if event.pid in pids and event.id in ids and (event.id, event.fence) not in ended
    ]  # fmt: skip


def _elsewhere(trial: Trial, fleet: Proc, ids: list[str]) -> bool:
    pids = set(fleet.family())
    return {event.id for event in trial.events(events.Started) if event.pid not in pids} >= set(ids)


def _takes(trial: Trial, fleet: Proc, since: float) -> float:
    """Seconds after `since` at which the fleet was leased something; 0.0 if it was not."""
    pids = set(fleet.family())
    ats = [event.at for event in trial.events(events.Leased) if event.pid in pids and event.at > since]
    return min(ats) - since if ats else 0.0
