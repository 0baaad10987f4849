"""A file that a newer Forebay migrates under workers of this one: they say so, hand back and leave."""

import subprocess
import sys

import apsw
import pytest

from fleet import until
from forebay.engine.sqlite import schema
from forebay.model.errors import SchemaTooNew

MIGRATE = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
db.set_busy_timeout(10_000)
db.execute("begin immediate")
db.execute("drop index message_fresh")
db.execute("pragma user_version = 99")
db.execute("commit")
"""


def look_again(path):
    """Let this version read it, as the newer one would."""
    db = apsw.Connection(path)
    db.set_busy_timeout(10_000)
    db.pragma("user_version", schema.newest())
    db.close()


def test_a_worker_whose_file_a_newer_version_migrates_leaves_and_hands_back_what_it_held(place):
    crew = place.crew
    with place.fleet("-p", "2", "-c", "2", "--drain", "1") as fleet:
        running = crew.nap.enqueue(1000)
        place.noted(running)
        path = place.url.removeprefix("sqlite:///")
        subprocess.run([sys.executable, "-c", MIGRATE, path], check=True, timeout=60)
        assert fleet.wait() == 3, fleet.said
        assert "was migrated to schema 99 by a newer Forebay" in fleet.said
        assert "start this process again" in fleet.said
    with pytest.raises(SchemaTooNew):
        crew.nap.enqueue(0)
    look_again(path)
    found = until(lambda: (now := place.found(running)).state != "running" and now, "the message that ran")
    assert (found.state, found.lost) == ("ready", 0)
    assert place.ask("workers") == []
