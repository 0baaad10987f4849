"""What an app opens at the start of a process is there for its tasks, and is closed; what a task closes is not."""

import signal
import subprocess
import sys

from fleet import Place, until


def test_hooks_are_called_once_in_each_process_that_runs_tasks(place):
    with place.fleet("-p", "1", "--cpu", "1") as fleet:
        assert place.crew.use_client.enqueue().result(30) is True
        assert place.crew.use_client_in_a_process.enqueue().result(30) is True
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    closed = place.read(event="closed")
    assert len(closed) == 2
    assert all(note.open == [note.pid] for note in closed)


def test_a_hook_that_fails_at_the_start_ends_the_worker_with_one_clear_error(place):
    (place.folder / "broken.py").write_text(
        "from forebay import Forebay\napp = Forebay()\n@app.task\ndef t() -> None: ...\n"
        "@app.on_start\ndef connect() -> None: raise ConnectionError('nobody there')\n"
    )
    command = [sys.executable, "-m", "forebay", "worker", "-A", "broken"]
    ended = subprocess.run(
        command, cwd=place.folder, env=place.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "on_start hook connect failed: ConnectionError: nobody there" in ended.stderr.splitlines()[-1]


AWAY = """
import os, pathlib, sys
from forebay import Forebay, Retry
app = Forebay()
here = pathlib.Path(__file__).parent
apart = "forebay.work.apart" in sys.orig_argv

@app.on_start
def first() -> None:
    with open(here / "started", "a") as notes: notes.write(f"{os.getpid()} {apart}\\n")

@app.on_start
def connect() -> None:
    if apart and not (here / "up").exists():
        raise ConnectionError("nobody there")

@app.task(cpu=True, retry=Retry(max_attempts=1000, base=0.01, cap=0.1))
def patient() -> int:
    return os.getpid()

@app.task(cpu=True, retry=1)
def once() -> None: ...
"""


def test_a_hook_that_fails_in_a_process_of_cpu_tasks_is_a_failed_attempt_there_and_not_the_end(tmp_path):
    """What it has to reach may be away for a moment; the next attempt has a process of its own."""
    (tmp_path / "away.py").write_text(AWAY)
    place = Place(tmp_path, tmp_path / "away.py")
    with place.fleet("--cpu", "1") as fleet:
        once, handle = place.crew.once.enqueue(), place.crew.patient.enqueue()
        until(lambda: once.status() == "dead", "the end of its only attempt")
        assert place.found(once).cause == (
            "failed 1 of 1 attempts: forebay.ForebayError: task 'once' cannot be loaded: ConnectionError: nobody there"
        )
        assert "in connect" in place.found(once).failure.traceback
        until(lambda: "attempt 1: retry in" in fleet.said, "the first failure of the other")
        (tmp_path / "up").touch()
        ran = handle.result(60)
    apart = [line.split()[0] for line in (tmp_path / "started").read_text().splitlines() if line.endswith("True")]
    assert len(apart) == len(set(apart)) >= 3, "no hook is called twice in one process"
    assert apart[-1] == str(ran)
    place.close()


def test_a_task_that_closes_the_app_does_not_close_its_workers_engine(place):
    with place.fleet("-p", "1") as fleet:
        assert place.crew.close_the_app.enqueue().result(30) is None
        assert place.crew.add.enqueue(1, 2).result(30) == 3
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0


def test_a_task_of_a_factory_is_found_in_its_process_by_its_name(place):
    with place.fleet("--cpu", "1"):
        assert place.crew.made_by_a_factory.enqueue(7).result(30) == 7


def test_what_a_worker_is_told_to_run_alone_it_finds_as_well(place):
    with place.fleet("--cpu", "1"):
        handle = place.crew.kill_the_worker.enqueue()
        until(lambda: handle.status() == "dead", "its end", 60)
        assert "lost 3 workers" in place.found(handle).cause
