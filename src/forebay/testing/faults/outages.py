"""Scenarios in which the server itself is struck, in the middle of work: killed, restarted, frozen."""

import time

from forebay.testing.faults.load import BACK, Load
from forebay.testing.faults.servers import EverySecond
from forebay.testing.faults.trial import PATIENCE, Trial
from forebay.testing.history.checker import SERVER_KILLED

#: Seconds: longer than any verb of a client's tries (see `forebay.engine.patience`).
_LONG = 11.0


def killed(trial: Trial, times: int = 20, within: float = BACK, fleets: int = 2) -> None:
    """T6: the server gets SIGKILL again and again under load, and comes back after a while, once after a long one."""
    _again_and_again(trial, times, within, fleets, polite=False)


def killed_once(trial: Trial) -> None:
    """T6, short: on any machine, however busy, so that everybody has to come back, and not how soon."""
    killed(trial, times=1, within=PATIENCE, fleets=1)


def killed_unsynced(trial: Trial) -> None:
    """T6e: as T6, with a Redis that syncs once a second."""
    trial.stand_on(EverySecond)
    killed(trial, times=10)


def restarted(trial: Trial, times: int = 5) -> None:
    """T6r: the server is told to leave, and is started again."""
    _again_and_again(trial, times, BACK, polite=True)


def _again_and_again(trial: Trial, times: int, within: float, fleets: int = 2, *, polite: bool) -> None:
    server, load = trial.server, Load(trial, fleets=fleets)
    for turn in range(times):
        trial.pause(0.2, 0.8)
        if polite:
            trial.fault("SIGTERM", "the server")
            server.stop()
        else:
            trial.fault(*SERVER_KILLED)
            server.kill()
        away = _LONG if turn and turn == times // 2 else trial.random.uniform(0.0, 0.5)
        trial.pause(away, away)
        back = server.start()
        trial.fault("the server is back", f"after {away:.1f} s")
        load.comes_back(back)
    load.finish(within)
    trial.notes.append(f"{'restarted' if polite else 'killed'} {times} times; declared loss window {server.window:g} s")


def frozen(trial: Trial, seconds: tuple[float, ...] = (0.3, 1.0, 3.0, 7.0)) -> None:
    """T6f: the server is stopped, and goes on later: shorter and longer than leases, and than anybody waits."""
    server, load = trial.server, Load(trial)
    for away in seconds:
        trial.pause(0.2, 0.8)
        trial.fault("SIGSTOP", f"the server, for {away} s")
        with server.frozen():
            trial.pause(away, away)
        trial.fault("SIGCONT", "the server")
        load.comes_back(time.monotonic())
    load.finish()


def frozen_once(trial: Trial) -> None:
    """T6f, short."""
    frozen(trial, (1.0,))
