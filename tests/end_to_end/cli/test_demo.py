"""The demo as somebody sees it who types it: a real run on this machine's own library, a real crash, a real verdict."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import proc
from end_to_end.cli.shell import COMMAND, PATIENCE, Shell, eventually
from end_to_end.cli.terminal import on_terminal


def environment(tmp_path: Path) -> dict[str, str]:
    """Temporary files under `tmp_path`, and a mark by which the run's processes can be told from others."""
    return {**os.environ, "TMPDIR": str(tmp_path), "FOREBAY_TEST_MARK": str(tmp_path), "CI": "1"}


def run(tmp_path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, "demo", *options]
    env = environment(tmp_path)
    return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)


def left_running(tmp_path: Path) -> list[str]:
    """Processes that still carry the mark; Linux only, elsewhere nobody is accused."""
    return proc.marked("FOREBAY_TEST_MARK", tmp_path)


def test_it_loses_a_worker_and_still_agrees_with_a_plain_loop(tmp_path):
    done = run(tmp_path, "--files", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.search(r"Killed worker process \d+ with SIGKILL: (\d+) messages? in flight", done.stdout)
    again = re.search(r"(\d+) of them started again, the first after ([\d.]+) s", done.stdout)
    ended = re.search(r"(\d+) of them had just ended", done.stdout)
    assert killed, done.stdout
    assert sum(int(match[1]) for match in (again, ended) if match) == int(killed[1])
    assert "have not started again" not in done.stdout
    assert "They agree, package by package" in done.stdout
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) < 60
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_signs_in_its_name_that_mean_something_in_an_address(tmp_path):
    folder = tmp_path / "a #1 50% b"
    folder.mkdir()
    done = run(folder, "--files", "5", "--no-kill", "--processes", "1", "--keep", "kept")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if " queues --url " in line)
    command = [*COMMAND, "queues", "--url", shlex.split(line.split("--url ")[1])[0]]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert shown.returncode == 0, shown.stderr


def test_what_is_kept_can_be_looked_at(tmp_path):
    done = run(tmp_path, "--files", "10", "--no-kill", "--processes", "1", "--keep", "kept")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Killed" not in done.stdout
    assert {"queue.db", "index.db", "workers.log"} <= {path.name for path in (tmp_path / "kept").iterdir()}
    url = re.search(r"forebay queues --url (\S+)", done.stdout)
    assert url, done.stdout
    look = [sys.executable, "-m", "forebay", "queues", "--url", url[1], "-o", "ndjson"]
    queues = subprocess.run(look, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert '"files"' in queues
    again = run(tmp_path, "--keep", "kept")
    assert again.returncode == 2
    assert "kept holds a queue already" in again.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_whatever_ends_it_its_workers_and_files_are_gone(tmp_path, number, code):
    with subprocess.Popen(
        [*COMMAND, "demo", "--files", "400"],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout
        while "files/s" not in demo.stdout.readline():
            assert demo.poll() is None
        demo.send_signal(number)
        said = demo.stdout.read()
        assert demo.wait(PATIENCE) == code, said
    if number == signal.SIGKILL:  # the others go when all is cleared up
        eventually(lambda: not left_running(tmp_path) and not list(tmp_path.iterdir()), "its end")
    assert ("Interrupted" in said) == (number == signal.SIGINT)
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_last_lines_can_be_typed_as_they_stand(tmp_path):
    """Also where `forebay` is not on the PATH, as after `make run`."""
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "forebay").exists())
    env = {**environment(tmp_path), "PATH": path}
    (tmp_path / "app.py").write_text("# there is one already")
    done = subprocess.run(
        [*COMMAND, "demo", "--files", "6", "--processes", "1", "--no-kill", "--keep", "a b"],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    lines = done.stdout.partition("Next:\n")[2].splitlines()
    assert len(lines) == 5
    assert "init app2.py" in lines[0]
    assert "dev -A app2:app" in lines[1]
    for line in [lines[0], *lines[2:]]:
        subprocess.run(line, shell=True, env=env, cwd=tmp_path, timeout=PATIENCE, check=True)


def test_on_a_terminal_that_cannot_redraw_it_speaks_in_lines(tmp_path):
    env = {key: value for key, value in environment(tmp_path).items() if key not in {"CI", "TERM"}}
    shell = Shell(tmp_path)
    with on_terminal(shell, "demo", "--files", "24", "--no-kill", **env, TERM="dumb") as demo:
        assert demo.ended() == 0
    assert " 100 %  24 of 24 files" in demo.text
    assert "\x1b" not in demo.raw
