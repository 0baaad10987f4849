"""The demo as somebody sees it who types it: a real run on this machine's own library, a real crash, a real verdict."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

import proc
import starts
from end_to_end.cli.shell import PATIENCE, Shell, eventually
from end_to_end.cli.terminal import on_terminal


def environment(tmp_path: Path) -> dict[str, str]:
    """Temporary files under `tmp_path`, and a mark by which the run's processes can be told from others."""
    return {**os.environ, "TMPDIR": str(tmp_path), "FOREBAY_TEST_MARK": str(tmp_path), "CI": "1"}


def demo(tmp_path: Path, *options: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return starts.run(["demo", *options], tmp_path, env or environment(tmp_path), PATIENCE)


def left_running(tmp_path: Path) -> list[str]:
    """Processes that still carry the mark; Linux only, elsewhere nobody is accused."""
    return proc.marked("FOREBAY_TEST_MARK", tmp_path)


def workers_up(tmp_path: Path) -> int:
    """Worker processes that have begun, as their log says."""
    return sum(log.read_text().count(" runs as process ") for log in tmp_path.rglob("workers.log"))


def test_it_loses_a_worker_and_still_agrees_with_a_plain_loop(tmp_path):
    done = demo(tmp_path, "--files", "40")
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


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One run that several look at: without `forebay` on the PATH, in a folder whose name is no plain one."""
    folder = tmp_path_factory.mktemp("kept") / "a #1 50% b"
    folder.mkdir()
    (folder / "app.py").write_text("# there is one already")
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "forebay").exists())
    env = {**environment(folder), "PATH": path}
    done = demo(folder, "--files", "10", "--no-kill", "--processes", "1", "--keep", "kept", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return Kept(folder, env, done.stdout)


class Kept(NamedTuple):
    folder: Path
    env: dict[str, str]
    said: str

    def typed(self, line: str) -> str:
        """What a line of its prints, typed as it stands."""
        return subprocess.run(
            line, shell=True, env=self.env, cwd=self.folder, stdout=subprocess.PIPE, text=True, timeout=PATIENCE,
            check=True,
        ).stdout  # fmt: skip


def test_a_folder_may_have_signs_in_its_name_that_mean_something_in_an_address(kept):
    (line,) = (line for line in kept.said.splitlines() if " queues --url " in line)
    assert "files" in kept.typed(line)


def test_what_is_kept_can_be_looked_at(kept):
    assert "Killed" not in kept.said
    assert {"queue.db", "index.db", "workers.log"} <= {path.name for path in (kept.folder / "kept").iterdir()}
    again = demo(kept.folder, "--keep", "kept")
    assert again.returncode == 2
    assert "kept holds a queue already" in again.stderr


def test_the_last_lines_can_be_typed_as_they_stand(kept):
    lines = kept.said.partition("Next:\n")[2].splitlines()
    assert len(lines) == 5
    assert "init app2.py" in lines[0]
    assert "dev -A app2:app" in lines[1]
    for line in [lines[0], *lines[2:]]:
        kept.typed(line)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_whatever_ends_it_its_workers_and_files_are_gone(tmp_path, number, code):
    out, end = os.pipe()
    demo = starts.Started(["demo", "--files", "400"], [0, end, 2], tmp_path, environment(tmp_path), session=True)
    os.close(end)
    with os.fdopen(out, encoding="utf-8") as stdout:
        while "safe on disk" not in stdout.readline():
            assert demo.poll() is None
        eventually(lambda: workers_up(tmp_path) == 2, "both workers")  # far from the end of so many files
        demo.send_signal(number)
        said = stdout.read()
        assert demo.wait(PATIENCE) == code, said
    if number == signal.SIGKILL:  # the others go when all is cleared up
        eventually(lambda: not left_running(tmp_path) and not list(tmp_path.iterdir()), "its end")
    assert ("Interrupted" in said) == (number == signal.SIGINT)
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_that_cannot_redraw_it_speaks_in_lines(tmp_path):
    env = {key: value for key, value in environment(tmp_path).items() if key not in {"CI", "TERM"}}
    shell = Shell(tmp_path)
    with on_terminal(shell, "demo", "--files", "24", "--no-kill", **env, TERM="dumb") as demo:
        assert demo.ended() == 0
    assert " 100 %  24 of 24 files" in demo.text
    assert "\x1b" not in demo.raw
