"""In a program that Python is only a part of (uWSGI, say) its signal handlers, of which Python knows nothing, stay."""

import os
import subprocess
import sys

import pytest

from engines.servers import redis

#: As such a program looks from inside: no words, and a handler in C where Python believes in its own.
PROGRAM = """
import ctypes, os, signal, sys

sys.orig_argv.clear()
from forebay import Forebay

ctypes.CDLL(None).signal(signal.SIGINT, ctypes.c_void_p(1))  # SIG_IGN
app = Forebay(sys.argv[1])
for number in range(3):
    app.publish("lines", number)
os.kill(os.getpid(), signal.SIGINT)
print(app.queues("lines")[0].ready)
"""


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_a_handler_of_the_program_around_it_is_there_after_each_call(engine, tmp_path):
    with redis.empty() as settings:
        url = f"sqlite:///{tmp_path}/q.db" if engine == "sqlite" else settings.url
        place = {"FOREBAY_NAMESPACE": settings.namespace} if engine == "redis" else {}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, url], cwd=tmp_path, env={**os.environ, **place},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
