"""Scenarios of time that jumps. Only the date does: what a lease needs is the monotonic clock, which nobody can set."""

from pathlib import Path

from forebay.testing.faults.trial import NotHere, Trial

_LIBRARIES = (
    *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
    *Path("/usr/local/lib/faketime").glob("libfaketimeMT.so.1"),
)
_HOUR = 3600


def steps(trial: Trial) -> None:
    """T13: the date of a whole fleet jumps an hour ahead, back, an hour behind, and back, while it works."""
    if not _LIBRARIES:
        raise NotHere("libfaketime is not installed: apt-get install libfaketime")
    date = trial.folder / "date"
    date.write_text("+0")
    env = {
        "LD_PRELOAD": str(_LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(date), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    trial.fleet(concurrency=4, env=env)
    trial.fleet(concurrency=4, env=env)
    for offset in (_HOUR, 0, -_HOUR, 0):
        trial.send("work", 30, seconds=0.05)
        trial.send("work", 5, ways={"delay": 0.5})
        trial.until_running(2)
        trial.pause(0.0, 0.1)
        trial.fault("clock", f"{offset:+} s")
        date.write_text(f"{offset:+}")
        trial.pause(0.5, 1.0)
    trial.drain()
