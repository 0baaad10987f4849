"""An app that nobody has any more is closed by whoever happens to collect it, wherever that thread is just then."""

import subprocess
import sys

import pytest

STORY = """
import gc, sys
from forebay import Forebay
from forebay.config import Settings
from forebay.engine.sqlite import Sqlite, companions
from forebay.engine.waiting import drive
from forebay.model.clock import SystemClock

gc.disable()
kept, dropped = Forebay("sqlite:///q.db"), Forebay("sqlite:///q.db")
for app in (kept, dropped):
    app.publish("q", 1)
dropped.me = dropped
del app, dropped


def collect(*_):
    print("collected", gc.collect() > 0)


def while_it_writes():
    async def submit():
        await kept.engine._inner._db.writer.submit(collect)
    drive(submit())


def while_it_opens_a_file():
    create = companions.create
    companions.create = lambda path: (collect(), create(path))
    other = Sqlite(Settings(url="sqlite:///other.db"), SystemClock())
    drive(other.open())
    drive(other.close())


globals()[sys.argv[1]]()
kept.publish("q", 2)
print(kept.queues("q")[0].published)
"""


@pytest.mark.parametrize("when", ["while_it_writes", "while_it_opens_a_file"])
def test_the_main_thread_does_not_wait_for_what_waits_for_it(tmp_path, when):
    """Two apps share a file, and whoever closes one waits for the writer, or for the list of open files."""
    done = subprocess.run(
        [sys.executable, "-c", STORY, when], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "collected True\n3\n", done.stderr
