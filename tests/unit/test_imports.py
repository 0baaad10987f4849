"""What processes do not import, because it takes a while and they have no use for it; as lists, and not as times."""

import json
import subprocess
import sys

import pytest

#: Of the standard library, each a few milliseconds or more.
HEAVY = (
    "asyncio", "concurrent", "importlib.resources", "multiprocessing", "ssl", "subprocess", "sysconfig",
    "tempfile", "tomllib", "zipfile", "zoneinfo",
)  # fmt: skip
#: What stands on higher floors, and what engines and commands bring.
OTHERS = ("click", "forebay.cli", "forebay.testing", "forebay.work", "pydantic", "rich", "uvloop", "watchfiles")
SEND = """
import forebay
app = forebay.Forebay("sqlite:///q.db")
@app.task
def add(a: int, b: int) -> int:
    return a + b
handle = add.enqueue(2, 3)
assert handle.status() == "ready"
assert [found.id for found in app.messages()] == [handle.id]
app.__exit__(None, None, None)
"""
TELL = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
APP = """
import gc, sys
from forebay import Forebay
app = Forebay("sqlite:///q.db")
def state() -> list:
    return [name for name in %r if name in sys.modules], gc.isenabled(), gc.get_freeze_count() > 10_000
@app.task
def threaded() -> list:
    return state()
@app.task(cpu=True)
def apart() -> list:
    return state()
"""


def imported(folder, *command):
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_program_that_sends_from_plain_code_imports_no_event_loop_and_no_part_of_a_worker(tmp_path):
    there = imported(tmp_path, "-c", SEND + TELL)
    assert there & {*HEAVY, *OTHERS, "forebay.engine.redis"} == set()


@pytest.mark.parametrize(
    ("words", "without"),
    [
        (["--help"], {"apsw", "rich", "uvloop", "forebay.work"}),
        (["worker", "--help"], {"apsw", "rich", "uvloop", "forebay.work.supervisor"}),
        (["queues", "--url", "sqlite:///q.db"], {"rich", "uvloop", "forebay.work", "multiprocessing", "zipfile"}),
    ],
)
def test_a_command_imports_what_it_needs_itself(tmp_path, words, without):
    subprocess.run([sys.executable, "-c", SEND], cwd=tmp_path, check=True)
    run = f"import sys; from forebay_command import main; sys.argv[1:] = {words!r}; main()"
    there = imported(tmp_path, "-c", run + TELL)
    assert there & {*without, "sysconfig", "tomllib", "zoneinfo"} == set()


def test_in_worker_processes_the_collector_runs_and_leaves_out_what_was_imported_before_the_app(tmp_path):
    heavy = ("importlib.resources", "sysconfig", "tomllib", "zipfile", "zoneinfo")
    (tmp_path / "shop.py").write_text(APP % (heavy,))
    script = "from shop import *; a, b = threaded.enqueue(), apart.enqueue(); print(a.id, b.id)"
    ids = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    worker = [sys.executable, "-m", "forebay", "worker", "-A", "shop:app", "--burst", "--cpu", "1"]
    subprocess.run(worker, cwd=tmp_path, check=True, capture_output=True)
    look = "import json; from shop import *; print(json.dumps([app.handle(id).result(timeout=60) for id in {!r}]))"
    read = [sys.executable, "-c", look.format(ids.stdout.split())]
    found = json.loads(subprocess.run(read, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert found == [[[], True, True], [[], True, True]]


def test_a_worker_process_loads_nothing_of_processes_for_tasks_before_there_is_one(tmp_path):
    there = imported(tmp_path, "-c", "import forebay.engine.sqlite, forebay.work.child" + TELL)
    assert there & {"multiprocessing", "tempfile", "forebay.work.apart"} == set()
    assert "forebay.work.processes" in there
