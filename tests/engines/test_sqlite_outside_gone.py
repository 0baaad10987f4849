"""What an app took from outside to be opened may go: its package on the disk, the descriptors of its process."""

import subprocess
import sys

import pytest

from forebay import Forebay
from forebay.engine.sqlite import rows

NO_DESCRIPTOR = """
import os, resource
from forebay import Forebay, ForebayError

app = Forebay("sqlite:///q.db")
handle = app.publish("mail", 1)
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/dev/fd"))) + 1, limit[1]))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
print(handle.status(), len(app.messages()), app.queues()[0].ready)
app.publish("mail", 2)
try:
    Forebay("sqlite:///other.db").publish("mail", 3)
except ForebayError as error:
    print("too many files open" in str(error))
app.__exit__(None, None, None)
for one in taken:
    os.close(one)
resource.setrlimit(resource.RLIMIT_NOFILE, limit)
app.publish("mail", 4)
print(len(app.messages()))
"""


def test_all_statements_are_in_memory_once_it_is_open(tmp_path, monkeypatch):
    rows.statements.cache_clear()
    with Forebay(f"sqlite:///{tmp_path}/q.db") as app:

        def gone(*_):
            pytest.fail("read from the package, which may be another version's by now")

        monkeypatch.setattr(rows, "texts", gone)
        handle = app.publish("mail", 1)
        assert handle.status() == "ready"
        assert [found.id for found in app.messages()] == [handle.id]
        assert app.queues()[0].ready == 1
        assert handle.cancel() == "cancelled"


def test_without_a_descriptor_it_is_looked_at_written_to_and_closed_in_good_order(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", NO_DESCRIPTOR], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["ready", "1", "1", "True", "3"]
    assert "Traceback" not in ended.stderr
