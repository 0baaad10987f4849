"""Once Python is ending no thread of an engine runs any more: a call that comes then is refused, and ends."""

import subprocess
import sys

from engines.servers import redis

PROGRAM = """
import functools, os, sys
from forebay import Forebay

apps = [Forebay(url) for url in sys.argv[1:]]
handles = [app.publish("lines", "early") for app in apps[1:]]  # the first one is opened by nobody

class Late:
    def __del__(self, write=os.write):
        for call in self.calls:
            try:
                call()
            except Exception as error:
                write(1, type(error).__name__.encode() + b"\\n")

_late = Late()
_late.calls = [functools.partial(app.publish, "lines", "late") for app in apps]
_late.calls.append(functools.partial(handles[0].result, timeout=600))
"""


def test_what_is_sent_while_python_ends_is_refused_and_the_program_ends(tmp_path):
    with redis.empty() as settings:
        urls = ["memory://", f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db", settings.url]
        words = [sys.executable, "-c", PROGRAM, *urls]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["EngineClosed"] * 5
