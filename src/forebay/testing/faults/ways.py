"""Scenarios in which the way to the server goes wrong, by a proxy of our own: torn, swallowed, late, silent, cut up."""

import time

from forebay.testing.faults.load import Load
from forebay.testing.faults.proxy import Mode, Proxy
from forebay.testing.faults.trial import Broken, Trial
from forebay.testing.history import events

#: Seconds after which a silence has been noticed by whoever waited for an answer, and all is well again.
_NOTICED = 15.0


def torn(trial: Trial, times: int = 20) -> None:
    """T7: all connections are torn at any moment, with and without a reset; each time new ones are made at once."""
    with Proxy(trial.server.port) as proxy:
        load = Load(trial, proxy.port)
        for _ in range(times):
            trial.pause(0.0, 0.5)
            trial.fault("cut", "all connections")
            proxy.cut(reset=trial.random.random() < 0.5)
            load.comes_back(time.monotonic())
        load.finish()


def torn_twice(trial: Trial) -> None:
    """T7, short."""
    torn(trial, times=3)


def unanswered(trial: Trial, times: int = 10) -> None:
    """T7m: answers are swallowed and then the connections torn: what was asked for has happened, and nobody knows."""
    with Proxy(trial.server.port) as proxy:
        load = Load(trial, proxy.port)
        for _ in range(times):
            _meanwhile(trial, proxy, "mute", trial.random.uniform(0.05, 0.4))
            load.comes_back(time.monotonic())
        _meanwhile(trial, proxy, "mute", 7.0)  # longer than an answer is waited for
        load.comes_back(time.monotonic())
        load.finish()


def _meanwhile(trial: Trial, proxy: Proxy, mode: Mode, seconds: float) -> None:
    trial.pause(0.2, 0.6)
    trial.fault(mode, f"for {seconds:.2f} s, then cut")
    proxy.mode = mode
    trial.pause(seconds, seconds)
    proxy.cut()
    proxy.mode = "pass"


def refused(trial: Trial) -> None:
    """T7r: connections are torn and new ones refused, for longer and longer."""
    with Proxy(trial.server.port) as proxy:
        load = Load(trial, proxy.port)
        for seconds in (0.2, 1.0, 3.0, 12.0):
            proxy.mode = "refuse"
            trial.fault("cut", f"and refused for {seconds} s")
            proxy.cut(reset=True)
            trial.pause(seconds, seconds)
            proxy.mode = "pass"
            load.comes_back(time.monotonic())
        load.finish()


def half_open(trial: Trial) -> None:
    """T7h: all that is open falls silent for good, in both directions, and is never closed; a new connection works."""
    with Proxy(trial.server.port) as proxy:
        load = Load(trial, proxy.port)
        for _ in range(2):
            trial.pause(0.2, 0.6)
            trial.fault("half-open", "all connections")
            proxy.forget()
            load.comes_back(time.monotonic())
        load.finish(within=_NOTICED)


def late(trial: Trial) -> None:
    """T7d: every piece is 100 ms late in each direction, then none is, and so on."""
    with Proxy(trial.server.port) as proxy:
        load = Load(trial, proxy.port)
        for _ in range(3):
            trial.fault("late", "by 100 ms each way")
            proxy.delay = 0.1
            trial.pause(2.0, 3.0)
            proxy.delay = 0.0
            load.comes_back(time.monotonic())
        load.finish()


def byte_by_byte(trial: Trial) -> None:
    """T7b: every byte comes by itself, both ways."""
    with Proxy(trial.server.port) as proxy:
        load = Load(trial, proxy.port, pause=0.1)
        trial.fault("byte by byte")
        proxy.size = 1
        load.comes_back(time.monotonic())
        trial.pause(3.0, 4.0)
        load.finish(within=_NOTICED)


def one_way(trial: Trial) -> None:
    """T8: one fleet is cut off while others are not: its messages run elsewhere after the lease, and it comes back."""
    with Proxy(trial.server.port) as proxy:
        apart = trial.fleet(concurrency=4, env={"FOREBAY_URL": trial.url_at(proxy.port)})
        held = trial.send("work", 4, seconds=3.0 * trial.lease)
        trial.until_running(4)
        trial.fleet(concurrency=8)
        trial.fault("silent", f"fleet {apart.pid}")
        proxy.mode = "silent"
        trial.until("its messages run elsewhere", lambda: _starts(trial, held) >= 8)
        trial.send("work", 40, seconds=0.02)
        trial.pause(0.0, 2.0 * trial.lease)
        trial.fault("carried again", f"fleet {apart.pid}")
        proxy.mode = "pass"
        trial.drain()
        trial.send("work", 40, seconds=0.2)
        trial.until("the fleet that was cut off takes new work", lambda: _takes(trial, apart.family()))
        trial.drain()
        if apart.code is not None:
            raise Broken(f"the fleet that was cut off ended with {apart.code}")


def _starts(trial: Trial, ids: list[str]) -> int:
    return sum(event.id in ids for event in trial.events(events.Started))


def _takes(trial: Trial, family: list[int]) -> bool:
    """Whether one of them was leased something after the last fault."""
    last = max(event.at for event in trial.events(events.Fault))
    return any(event.pid in family and event.at > last for event in trial.events(events.Leased))
