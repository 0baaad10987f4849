"""`nest.py`: what a forked command starts in its turn cannot be told from what Python was started for."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import likeness
import starts
from fleet import until
from proc import pids, state_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere everything is started truly")

#: Tells all that it sees of its own process, on the descriptor that it is given.
PROBE = """
import atexit, json, os, resource, signal, sys, threading, __main__

report = int(sys.argv[1])

def of(stream):
    names = ("encoding", "errors", "line_buffering", "write_through", "newlines", "closed")
    return stream and [stream.fileno(), stream.isatty(), *(getattr(stream, name) for name in names)]

def shown(name):
    with open("/proc/self/" + name, "rb") as file:
        return sorted(part.decode() for part in file.read().split(b"\\0") if part)

def kinds():
    with os.scandir("/proc/self/fd") as found:
        links = {one.name: os.readlink(one.path).partition(":")[0] for one in found if os.path.exists(one.path)}
    return {name: link for name, link in links.items() if not link.startswith("/proc")}

told = {
    "ids": [os.getppid(), os.getsid(0), os.getpgrp()],
    "words": [sys.argv, sys.orig_argv, sys.executable, shown("cmdline")],
    "place": [os.getcwd(), sorted(os.environ.items()), shown("environ"), sys.path],
    "python": [list(sys.flags), sys.warnoptions, __name__, __main__.__file__, __main__ is sys.modules["__main__"]],
    "descriptors": kinds(),
    "streams": [of(sys.stdin), of(sys.stdout), of(sys.stderr), sys.stdin and sys.stdin.read()],
    "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "memory": shown("oom_score_adj"),
    "masks": [str(signal.pthread_sigmask(signal.SIG_BLOCK, [])), os.umask(0)],
    "threads": [threading.main_thread().name, threading.active_count(), threading.get_native_id() == os.getpid()],
}
os.write(report, json.dumps(told).encode())
atexit.register(os.write, report, b"\\nan exit handler")
thread = threading.Thread(target=os.write, args=(report, b"\\na thread"))
thread.start()
if sys.argv[2] == "raise":
    raise ValueError("seen")
if sys.argv[2].startswith("-"):
    thread.join()
    os.kill(os.getpid(), -int(sys.argv[2]))
sys.exit(int(sys.argv[2]))
"""
#: Starts it as `how` says, and prints what it tells.
STARTER = """
import json, os, signal, subprocess, sys

how, code, before = {how!r}, {code!r}, {before!r}
exec(before)
read, write = os.pipe()
with open("err", "wb") as err:
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "error", "probe.py", str(write), code], pass_fds=[write], stderr=err, **how
    )
os.close(write)
if process.stdin:
    process.stdin.close()
with open(read) as file:
    told, *rest = file.read().split("\\n")
told = json.loads(told)
names = {{os.getpid(): "starter", process.pid: "itself"}}
told["ids"] = [names.get(number, number) for number in told["ids"]]
with open("err") as file:
    said = file.read().splitlines()[-1:]
print(json.dumps([told, sorted(rest), process.wait(), said]))
"""
WHETHER = """
import subprocess, sys
{}
subprocess.run([sys.executable, "-c", "import sys; print('forebay' in sys.modules)"])
"""
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def both(folder: Path, text: str) -> tuple[str, str]:
    """What a program prints that was started truly, and is forked."""
    (folder / "starter.py").write_text(text)
    said = []
    for forked in (False, True):
        with (folder / "out").open("wb") as out, (folder / "nothing").open("a+") as nothing:
            if forked:
                streams = nothing.fileno(), out.fileno(), out.fileno()
                process = starts.Started(["starter.py"], streams, folder, PLAIN, session=True, python=())
            else:
                process = subprocess.Popen(
                    [sys.executable, "starter.py"], stdin=nothing, stdout=out, stderr=out, cwd=folder, env=PLAIN,
                    start_new_session=True,
                )  # fmt: skip
            code = process.wait(60)
        said.append((folder / "out").read_text())
        assert code == 0, said
    return said[0], said[1]


@pytest.mark.parametrize(
    ("before", "how", "code"),
    [
        ("pass", {"start_new_session": True}, "0"),
        ("os.close(0)", {"process_group": 0}, "71"),
        ("open('/proc/self/oom_score_adj', 'w').write('500')", {"process_group": 0}, "0"),
        ("os.chdir('..'); os.chdir(sys.path[0]); os.environ['A'] = 'b'", {"stdin": subprocess.PIPE}, "raise"),
        ("pass", {"env": {"A": "é", "PYTHONPATH": "shelf::/nowhere"}, "cwd": "."}, f"-{signal.SIGKILL:d}"),
    ],
)
def test_it_has_the_parent_session_descriptors_place_and_end_of_a_start(tmp_path, before, how, code):
    (tmp_path / "probe.py").write_text(PROBE)
    truly, forked = both(tmp_path, STARTER.format(how=how, code=code, before=before))
    for one, other in zip(json.loads(truly), json.loads(forked), strict=True):
        assert other == one


@pytest.mark.parametrize(
    ("before", "whether"),
    [
        ("pass", True),
        ("import os; os.umask(0o777)", False),
        ("import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", False),
        ("import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)", False),
        ("import os; os.environ['PYTHONHASHSEED'] = '1'", False),
        ("import os; os.fork() and (os.wait(), os._exit(0))", False),
        ("import os; open('sitecustomize.py', 'w').close(); os.environ['PYTHONPATH'] = '.'", False),
        ("import nests; nests.kill()", False),
    ],
)
def test_what_a_nest_cannot_give_is_started_truly(tmp_path, before, whether):
    (tmp_path / "nests.py").write_text(
        f"import os, sys\nsys.path.append({str(Path(starts.__file__).parent)!r})\nfrom proc import *\n"
        "def kill():\n    for pid in pids():\n        parent_of(pid) == os.getpid() and os.kill(pid, 9)\n"
    )
    assert both(tmp_path, WHETHER.format(before)) == ("False\n", f"{whether}\n")


def test_pythons_that_a_test_starts_itself_may_be_forked(tmp_path):
    words = [sys.executable, "-c", "import os, sys; print(os.getppid(), os.getsid(0), 'forebay' in sys.modules)"]
    with starts.pythons_forked():
        forked = subprocess.run(words, env=PLAIN, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        here = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    truly = subprocess.run(words, env=PLAIN, capture_output=True, text=True, check=True).stdout
    assert here.split() == [str(os.getpid()), str(os.getsid(0)), "True"]
    assert truly.split() == [*here.split()[:2], "False"]
    alike = likeness.chosen(os.environ) == likeness.chosen(PLAIN)
    assert forked == (here if alike else truly)


#: A worker, or a process of it for cpu tasks, in little: dies with its parent, and says nothing before that.
HELD = """
import ctypes, os, pathlib, signal, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
pathlib.Path("up").write_text(f"{os.getpid()} {os.getppid()}")
time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["start_new_session=True", "process_group=0"])
def test_a_killed_parent_takes_with_it_what_wants_to_die_with_it_and_its_nest(tmp_path, how):
    (tmp_path / "held.py").write_text(HELD)
    text = f"import subprocess, sys; subprocess.Popen([sys.executable, 'held.py'], {how}).wait()"
    with Path(os.devnull).open("r+") as nothing:
        process = starts.Started([text], [nothing.fileno()] * 3, tmp_path, PLAIN, session=True, python=("-c",))
    up = tmp_path / "up"
    held, parent = map(int, until(lambda: up.exists() and up.read_text().split(), "its start"))
    assert parent == process.pid
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    until(lambda: not state_of(held), "its end")
    until(lambda: not [pid for pid in pids() if _session(pid) == parent], "the end of the nest")


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
