"""Scenarios of sudden death: workers, producers, supervisors and reapers that get SIGKILL at any moment."""

import signal

from forebay.testing.faults.procs import strike
from forebay.testing.faults.trial import Broken, Trial
from forebay.testing.history import events


def workers(trial: Trial, processes: int = 2, kills: int = 3) -> None:
    """T1: kill processes in the middle of their tasks, again and again; then a supervisor with all it has."""
    fleets = [trial.fleet(processes=processes, concurrency=4), trial.fleet(concurrency=4)]
    trial.send("work", 40 * kills, seconds=0.05)
    for task in ("in_thread", "in_process"):
        trial.send(task, 20, seconds=0.05)
    for _ in range(kills):
        trial.pause(0.0, 0.05)
        trial.until_running()
        victim = trial.random.choice(trial.at_work() or [0])
        if victim and strike(victim, signal.SIGKILL):
            trial.fault("SIGKILL", f"process {victim}")
        trial.send("work", 20, seconds=0.05)
    trial.until_running()
    doomed, other = sorted(fleets, key=lambda fleet: -len({*fleet.family()} & {*trial.at_work()}))
    trial.fault("SIGKILL", f"supervisor {doomed.pid} and its workers")
    doomed.kill()
    trial.drain()
    if other.code is not None:
        raise Broken(f"the other fleet ended by itself with {other.code}")


def some_workers(trial: Trial) -> None:
    """T1, short: as above, one of them."""
    workers(trial, processes=1, kills=1)


def between_effect_and_ack(trial: Trial) -> None:
    """T2: each message's first run dies after its effect and before its ack."""
    trial.fleet(processes=2, concurrency=1)
    ids = trial.send("die_unsettled", 4)
    trial.send("work", 20)
    trial.drain()
    if any(found.state != "done" for found in trial.find(ids)):
        raise Broken("a message whose worker died once was given up")
    effects = [event.id for event in trial.events(events.Ended)]
    if not any(effects.count(id_) > 1 for id_ in ids):
        raise Broken("no message had its effect twice: the fault did not strike")


def producers(trial: Trial) -> None:
    """T3: kill producers while they publish; publish all that they had asked for once more, under the same ids."""
    trial.fleet(concurrency=16)
    for first in (0, 1_000, 2_000):
        producer = trial.start(["-m", "forebay.testing.faults.produce", str(trial.seed), str(first), "1000"])
        trial.until(
            "the producer publishes",
            lambda: any(event.pid == producer.pid for event in trial.events(events.Published)),  # noqa: B023 - at once
        )
        trial.pause(0.0, 0.3)
        trial.fault("SIGKILL", f"producer {producer.pid}")
        producer.kill()
    asked = {item.id for event in trial.events(events.Publishing) for item in event.items}
    again = [one for one in trial.messages("work", 3_000) if one.id in asked]
    for one in again:
        trial.publish([one])
    trial.drain()


def reapers(trial: Trial) -> None:
    """T22: two reapers sweep all the time and one of them dies in it, while a whole fleet's leases run out."""
    doomed = trial.fleet(concurrency=12)
    trial.send("work", 40, seconds=0.3)
    trial.until_running(8)
    arguments = ["-m", "forebay.testing.faults.reap"]
    first, second = trial.start(arguments), trial.start(arguments)
    survivor = trial.fleet(concurrency=12)
    trial.fault("SIGKILL", f"supervisor {doomed.pid} and its workers")
    doomed.kill()
    trial.until("the lost fleet is buried", lambda: trial.events(events.Recovered))
    trial.fault("SIGKILL", f"reaper {first.pid}")
    first.kill()
    trial.until_running()
    for child in survivor.children():
        trial.fault("SIGKILL", f"worker process {child}")
        strike(child, signal.SIGKILL)
    trial.pause(0.0, 0.05)
    second.kill()
    trial.drain()
