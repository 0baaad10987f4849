"""A hook that does not end is named in the log, holds nobody up for longer than a drain, and is given up in words."""

import signal
from pathlib import Path

from fleet import Fleet, Place, until

APP = """
import asyncio, time
from forebay import Forebay
app = Forebay()

@app.task(retry=1)
def fails() -> None:
    raise ValueError("no")

@app.task(cpu=True, retry=1)
def fails_apart(number: int) -> None:
    raise ValueError("no")

"""


def place_of(folder: Path, hook: str) -> Place:
    app = folder / "hooked.py"
    app.write_text(APP + hook)
    return Place(folder, app)


def told(fleet: Fleet, text: str) -> None:
    until(lambda: text in fleet.said, text)


def test_at_the_end_it_is_waited_for_by_name_and_given_up_with_a_line(tmp_path):
    place = place_of(tmp_path, "@app.on_stop\nasync def close_client() -> None: await asyncio.sleep(600)\n")
    with place.fleet("-p", "1", "--drain", "5") as fleet:
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        told(fleet, "waiting for on_stop hook close_client (")
        told(fleet, "on_stop hook close_client has not ended after 5 s: given up")
        assert "has not reported" not in fleet.said


def test_at_the_end_one_that_keeps_the_loop_is_named_by_the_parent(tmp_path):
    place = place_of(tmp_path, "@app.on_stop\ndef close_client() -> None: time.sleep(600)\n")
    with place.fleet("-p", "1", "--drain", "1") as fleet:
        fleet.signal(signal.SIGTERM)
        told(fleet, "its on_stop hook close_client keeps the loop")
        assert fleet.wait() == 0
        told(fleet, "does not leave, for its on_stop hook close_client has not ended")


def test_after_a_failure_it_is_waited_for_by_name_and_given_up_with_a_line(tmp_path):
    place = place_of(tmp_path, "@app.on_failure\ndef tell(context, error, outcome) -> None: time.sleep(600)\n")
    with place.fleet("-p", "1", "--drain", "1") as fleet:
        handle = place.crew.fails.enqueue()
        until(lambda: handle.status() == "dead", "its end")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        told(fleet, f"waiting for on_failure hook tell for fails {handle.id} (")
        assert f"on_failure hook tell for fails {handle.id} has not ended after " in fleet.said
        assert "given up" in fleet.said


def test_while_a_process_tells_of_a_failure_its_next_task_runs_in_another(tmp_path):
    hook = "@app.on_failure\ndef tell(context, error, outcome) -> None:\n    if context.key: time.sleep(600)\n"
    place = place_of(tmp_path, hook)
    with place.fleet("-p", "1", "--cpu", "2", "--drain", "1") as fleet:
        first = place.crew.fails_apart.using(key="hang").enqueue(1)
        until(lambda: first.status() == "dead", "the first end")
        for number in range(2, 5):
            handle = place.crew.fails_apart.enqueue(number)
            until(lambda one=handle: one.status() == "dead", f"end {number}")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0


def test_at_the_start_nothing_was_begun_so_that_nobody_waits_for_it(tmp_path):
    place = place_of(tmp_path, "@app.on_start\ndef connect() -> None: time.sleep(600)\n")
    with place.fleet("-p", "1", ready=0) as fleet:
        until(lambda: len(fleet.everybody()) > 1, "a worker process")
        until(lambda: any("forebay.work.child" in command(pid) for pid in fleet.everybody()), "its start")
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
        assert "SIGTERM: no worker has started yet: ending what starts" in fleet.said


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:
        return ""
