"""Scenarios of many messages at once: a backlog, and all that falls due at the same moment."""

from forebay.testing.faults.procs import strike
from forebay.testing.faults.trial import Broken, Trial
from forebay.testing.history import events

_BATCH = 1_000


def backlog(trial: Trial, count: int = 20_000) -> None:
    """T15: a backlog is worked off by two fleets, one of whose workers is killed on the way."""
    for _ in range(count // _BATCH):
        trial.send("work", _BATCH)
    fleets = [trial.fleet(concurrency=32) for _ in range(2)]
    trial.until(
        "both work",
        lambda: all({event.pid for event in trial.events(events.Started)} & {*one.family()} for one in fleets),
    )
    victim = fleets[0].children()[0]
    trial.fault("SIGKILL", f"process {victim}")
    strike(victim, 9)
    trial.drain(300.0)


def due_at_once(trial: Trial, count: int = 3_000) -> None:
    """T16: thousands of delayed messages fall due at the same moment: none starts before, all end."""
    trial.fleet(concurrency=32)
    trial.fleet(concurrency=32)
    due = 4.0
    for _ in range(count // _BATCH):
        trial.publish(trial.messages("work", _BATCH, ways={"delay": due}))
    trial.drain(120.0)
    asked = {item.id: event.at for event in trial.events(events.Publishing) for item in event.items}
    early = [event for event in trial.events(events.Started) if event.at < asked[event.id] + due - 0.05]
    if early:
        raise Broken(f"{len(early)} started before they were due, {early[0].id} for one")
