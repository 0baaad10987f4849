"""The fleets of the fault scenarios are forked, as all that tests start of `forebay`: see `starts`."""

import os
import sys
from pathlib import Path

import pytest

import starts
from forebay.testing.faults import procs

FOREBAY = [sys.executable, "-m", "forebay"]
NETWORK = Path("/proc/thread-self/ns/net")  # of this thread; on Linux
OURS = NETWORK.readlink() if NETWORK.exists() else None


@pytest.fixture(autouse=True)
def _fleets_are_forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where another command starts them, or in another network; or where a fleet is struck while Python starts."""
    if "T25 told to leave" in request.node.name:
        return
    begin = procs.begin

    def forked(words, env, log):
        elsewhere = OURS is not None and NETWORK.readlink() != OURS
        if words[:3] != FOREBAY or elsewhere:
            return begin(words, env, log)
        with log.open("ab") as out, Path(os.devnull).open() as nothing:
            streams = nothing.fileno(), out.fileno(), out.fileno()
            return starts.Started(words[3:], streams, log.parent, {**os.environ, **env}, session=True)

    monkeypatch.setattr(procs, "begin", forked)
