"""`starts.py`: a command that is forked cannot be told from one that Python was started for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import forebay
import starts
from fleet import until

#: An app that tells all that it sees of its own process.
STATE = """
import atexit, gc, os, signal, sys, threading, weakref, __main__
from forebay import Forebay

app = Forebay()

class Late:
    def __del__(self, write=os.write):
        write(1, b"let go with its module\\n")

late, ring = Late(), [Late()]
ring.append(ring)
atexit.register(lambda: print("an exit handler", "signal" in sys.modules, flush=True))
weakref.finalize(app, print, "let go", flush=True)

def of(stream):
    names = ("encoding", "errors", "line_buffering", "write_through", "newlines", "closed")
    return [stream.fileno(), stream.isatty(), *(getattr(stream, name) for name in names)]

print(__name__, __main__.__name__, __main__.__file__, __main__.__spec__.name, __main__ is sys.modules["__main__"])
print(sys.argv, sys.orig_argv, sys.path, sys.flags, os.getcwd())
print(sorted(os.environ.items()))
print([of(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)], sys.stdout is sys.__stdout__)
print([(number.name, str(signal.getsignal(number))) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), threading.active_count(), gc.isenabled(), gc.get_threshold())
print(sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else "")
print(sys.stdin.read())
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "state.py").write_text(STATE)
    return tmp_path


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"PYTHONUNBUFFERED": "1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "MARK": "é"},
        {"PYTHONPATH": f"/nowhere:shelf::{Path(starts.__file__).parent}:shelf:{Path(forebay.__file__).parents[1]}"},
    ],
)
def test_it_has_the_streams_arguments_folder_environment_and_signals_of_a_start(place, more):
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **more}
    words = ["check", "-A", "state:app"]
    anew = subprocess.run(
        [sys.executable, "-m", "forebay", *words], cwd=place, env=env, input="given\r\n", capture_output=True,
        text=True, encoding="utf-8", errors="surrogateescape", timeout=60, check=False,
    )  # fmt: skip
    forked = starts.run(words, place, env, 60, b"given\r\n")
    assert "given" in anew.stdout, anew.stderr
    assert forked.stdout.splitlines() == anew.stdout.splitlines()
    assert (forked.stderr, forked.returncode) == (anew.stderr, anew.returncode)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_it_ends_with_the_code_of_its_end(place, number, code):
    (place / "state.py").write_text("import pathlib, time\npathlib.Path('here').touch()\ntime.sleep(1000)\n")
    with Path(os.devnull).open("r+") as nothing:
        process = starts.Started(["check", "-A", "state:app"], [nothing.fileno()] * 3, place, os.environ)
    until((place / "here").exists, "its app")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait(60) == process.returncode == code
    process.kill()  # nobody


def test_each_has_a_pid_and_a_session_if_it_is_to_have_one(place):
    (place / "state.py").write_text("import os; print(os.getpid(), os.getsid(0) == os.getpid())\n")
    read, write = os.pipe()
    with Path(os.devnull).open("r+") as nothing, os.fdopen(write, "w") as out, os.fdopen(read) as said:
        process = starts.Started(
            ["check", "-A", "state:app"], [nothing.fileno(), out.fileno(), nothing.fileno()], place, os.environ,
            session=True,
        )  # fmt: skip
        out.close()
        assert said.readline() == f"{process.pid} True\n"
        process.wait(60)


def test_a_command_finds_its_modules_where_its_environment_says_and_needs_no_hall_of_its_own(place):
    texts = {}
    for name in ("one", "two"):
        (place / name).mkdir()
        (place / name / "shelf.py").write_text(f"print({name!r})\n")
        texts[name] = starts.run(["check", "-A", "shelf:app"], place, {**os.environ, "PYTHONPATH": name}, 60).stdout
    halls = len(starts._halls)
    assert [text.splitlines()[0] for text in texts.values()] == ["one", "two"]
    starts.run(["--version"], place, {**os.environ, "PYTHONPATH": "three"}, 60)
    assert len(starts._halls) == halls
