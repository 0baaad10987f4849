"""What the fault scenarios start of ours is forked, as all that tests start of `forebay`: see `starts`."""

import os
import sys
from pathlib import Path

import pytest

import likeness
import starts
from forebay.testing.faults import procs

PYTHON, WORKER = [sys.executable, "-m"], [sys.executable, "-m", "forebay", "worker"]
#: How many fleets are started truly: one is struck while Python starts; others are not to have done all before.
TRUE = {"T25 told to leave": 1, "T22 reapers killed": 2}
NETWORK = Path("/proc/thread-self/ns/net")  # of this thread; on Linux
OURS = NETWORK.readlink() if NETWORK.exists() else None


@pytest.fixture(autouse=True)
def _programs_are_forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where another command starts them, in another network, or where Python imports a `sitecustomize` first."""
    begin = procs.begin
    truly = sum(count for scenario, count in TRUE.items() if scenario in request.node.name)

    def forked(words, env, log):
        nonlocal truly
        if is_true := words[:4] == WORKER and truly > 0:
            truly -= 1
        elsewhere = OURS is not None and NETWORK.readlink() != OURS
        if words[:2] != PYTHON or is_true or elsewhere or likeness.customised(env):
            return begin(words, env, log)
        with log.open("ab") as out, Path(os.devnull).open() as nothing:
            streams, place = (nothing.fileno(), out.fileno(), out.fileno()), {**os.environ, **env}
            return starts.Started(words[3:], streams, log.parent, place, session=True, python=words[1:3])

    monkeypatch.setattr(procs, "begin", forked)
