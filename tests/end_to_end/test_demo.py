"""The demo as somebody sees it who types it: a real run on this machine's own library, a real crash, a real verdict."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "forebay.demo"]


def environment(tmp_path: Path) -> dict[str, str]:
    """Temporary files under `tmp_path`, and a mark by which the run's processes can be told from others."""
    return {**os.environ, "TMPDIR": str(tmp_path), "FOREBAY_TEST_MARK": str(tmp_path), "CI": "1"}


def run(tmp_path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, *options]
    env = environment(tmp_path)
    return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def left_running(tmp_path: Path) -> list[str]:
    """Processes that still carry the mark; Linux only, elsewhere nobody is accused."""
    mark = f"FOREBAY_TEST_MARK={tmp_path}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append((path.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_it_loses_a_worker_and_still_agrees_with_a_plain_loop(tmp_path):
    done = run(tmp_path, "--files", "150")
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


def test_what_is_kept_can_be_looked_at(tmp_path):
    done = run(tmp_path, "--files", "10", "--no-kill", "--processes", "1", "--keep", "kept")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Killed" not in done.stdout
    assert {"queue.db", "index.db", "workers.log"} <= {path.name for path in (tmp_path / "kept").iterdir()}
    url = re.search(r"forebay queues --url (\S+)", done.stdout)
    assert url, done.stdout
    look = [sys.executable, "-m", "forebay", "queues", "--url", url[1], "-o", "ndjson"]
    queues = subprocess.run(look, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True).stdout
    assert '"files"' in queues
    again = run(tmp_path, "--keep", "kept")
    assert again.returncode == 2
    assert "kept holds a queue already" in again.stderr


def test_ctrl_c_stops_its_workers(tmp_path):
    with subprocess.Popen(
        COMMAND, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout
        while "files/s" not in demo.stdout.readline():
            assert demo.poll() is None
        demo.send_signal(signal.SIGINT)
        said = demo.stdout.read()
        assert demo.wait(30) == 130, said
    assert "Interrupted" in said
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
