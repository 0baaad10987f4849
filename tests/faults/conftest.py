"""The fleets of the fault scenarios are forked, as all that tests start of `forebay`: see `starts`."""

import os
import sys
from pathlib import Path

import pytest

import likeness
import starts
from forebay.testing.faults import procs

FOREBAY = [sys.executable, "-m", "forebay"]
TRUE = ("T25 told to leave", "T22 reapers killed")  # the second fleet is not to have done all before it is struck
NETWORK = Path("/proc/thread-self/ns/net")  # of this thread; on Linux
OURS = NETWORK.readlink() if NETWORK.exists() else None


@pytest.fixture(autouse=True)
def _fleets_are_forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where another command starts them, in another network, where Python imports a `sitecustomize` first, or where
    a fleet is struck while Python starts, or has to come late.
    """
    if any(scenario in request.node.name for scenario in TRUE):
        return
    begin = procs.begin

    def forked(words, env, log):
        elsewhere = OURS is not None and NETWORK.readlink() != OURS
        if words[:3] != FOREBAY or elsewhere or likeness.customised(env):
            return begin(words, env, log)
        with log.open("ab") as out, Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), out.fileno(), out.fileno()
            return starts.Started(words[3:], streams, log.parent, {**os.environ, **env}, session=True)

    monkeypatch.setattr(procs, "begin", forked)
