"""Lines of several processes on one descriptor: each is whole, however long it is, and no process waits for ever."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from forebay.work.turn import Turn

#: Longer than what a pipe takes at once, and than what is written to it at a time.
LONG, TIMES = 30_000, 100
WRITES = textwrap.dedent(f"""
    import logging, sys
    from forebay.config import WorkerOptions
    from forebay.work.log import configure_logging
    log = configure_logging(WorkerOptions(log_format="json"), 60)
    print(flush=True)
    sys.stdin.readline()
    for _ in range({TIMES}):
        logging.getLogger(sys.argv[1]).warning(sys.argv[1] * {LONG})
        logging.getLogger(sys.argv[1]).warning("short")
    log.flush()
""")


def writers(stderr: int) -> list["subprocess.Popen[bytes]"]:
    """Three processes that log at the same time."""
    pipe = subprocess.PIPE
    made = [
        subprocess.Popen([sys.executable, "-c", WRITES, name], stdin=pipe, stdout=pipe, stderr=stderr) for name in "abc"
    ]
    for one in made:
        assert one.stdout
        one.stdout.readline()
    for one in made:
        assert one.stdin
        one.stdin.write(b"\n")
        one.stdin.flush()
    return made


def whole(lines: list[bytes]) -> int:
    """How many there are; each begins and ends as an object."""
    assert {(line[:9], line[-1:]) for line in lines} == {(b'{"time": ', b"}")}
    return len(lines)


@pytest.mark.parametrize("kind", ["file", "file with a place of its own", "pipe", "socket"])
def test_long_lines_of_several_processes_stay_whole(tmp_path: Path, kind: str) -> None:
    if kind.startswith("file"):
        flags = os.O_APPEND if kind == "file" else 0
        writer = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | flags)
        for one in writers(writer):
            one.communicate(timeout=120)
        said = (tmp_path / "log").read_bytes()
    else:
        ends = os.pipe() if kind == "pipe" else _sockets()
        reader = subprocess.Popen(["cat"], stdin=ends[0], stdout=subprocess.PIPE)
        logging = writers(ends[1])
        for end in ends:
            os.close(end)
        said, _ = reader.communicate(timeout=120)
        for one in logging:
            one.communicate(timeout=120)
    assert whole(said.splitlines()) == 3 * 2 * TIMES


def _sockets() -> tuple[int, int]:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


def test_a_process_that_was_stopped_in_the_middle_of_a_line_does_not_silence_the_others() -> None:
    reader, writer = os.pipe()
    holds = "import sys; from forebay.work.turn import Turn; Turn(2).take(0); print(flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writer
    )
    assert other.stdout
    other.stdout.readline()
    other.send_signal(signal.SIGSTOP)
    turn = Turn(writer)
    try:
        assert not turn.take(0.0)
        assert turn.take(0.0, force=True)
        while not turn.take(0.1):
            pass
        other.send_signal(signal.SIGKILL)
        other.communicate(timeout=60)
        assert turn.take(60.0)
    finally:
        turn.leave()
        other.kill()
        other.communicate(timeout=60)
        os.close(reader)
        os.close(writer)
