"""Scenarios of time that jumps. Only the date does: what a lease needs is the monotonic clock, which nobody can set."""

from pathlib import Path

from forebay.testing.faults.trial import Broken, Trial

_HOUR = 3600


def steps(trial: Trial) -> None:
    """T13: the date of two whole fleets jumps an hour ahead, back, an hour behind, and back, while they work."""
    date = trial.folder / "date"
    date.write_text("0")
    env = {"PYTHONPATH": str(Path(__file__).with_name("stepped")), "FOREBAY_DATE_OFF": str(date)}
    fleets = [trial.fleet(concurrency=4, env=env) for _ in range(2)]
    for offset in (_HOUR, 0, -_HOUR, 0):
        trial.send("work", 30, seconds=0.05)
        trial.send("work", 5, ways={"delay": 0.5})
        trial.until_running(2)
        trial.pause(0.0, 0.1)
        trial.fault("date", f"off by {offset} s")
        date.write_text(str(offset))
        trial.pause(0.5, 1.0)
    trial.drain()
    if any(fleet.code is not None for fleet in fleets):
        raise Broken("a fleet ended by itself")
