"""Output of a process that runs tasks: whatever becomes of its other end, nobody who prints gets an error."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

#: Prints, a program of its own included, and then says on standard error how that went.
PRINTS = textwrap.dedent("""
    import logging, subprocess, sys, time
    from forebay.work import stdio
    sys.stdin.readline()
    stdio.show_at_once()
    logging.basicConfig(level=logging.INFO)
    def prints() -> None:
        print("a line")
        print("a part", end="", flush=True)
        sys.stdout.buffer.write(b"bytes" * 100_000)
        sys.stdout.flush()
        print("done", file=sys.stderr)
    prints()
    sys.stdin.readline()
    prints()
    program = subprocess.run([sys.executable, "-c", "print('program')"])
    print(f"program {program.returncode}", file=sys.stderr)
    time.sleep(2 * stdio.EVERY)
""")


class Printing:
    """That program, with something of ours as its standard output."""

    def __init__(self, stdout: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRINTS], stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE, text=True
        )

    def go_on(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """What it said."""
        said = self._process.communicate(timeout=60)[1]
        assert self._process.returncode == 0, said
        return said


@pytest.mark.parametrize("when", ["before it starts", "meanwhile"])
def test_a_reader_that_goes_away_costs_its_output_alone(when: str) -> None:
    reader, writer = os.pipe()
    drained = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL)
    printing = Printing(writer)
    os.close(reader)
    os.close(writer)
    if when == "before it starts":
        drained.kill()
        drained.wait()
    printing.go_on()
    if when == "meanwhile":
        drained.kill()
        drained.wait()
    printing.go_on()
    said = printing.end()
    assert said.count("done") == 2
    assert "program 0" in said
    assert said.count("standard output cannot be written (Broken pipe)") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_costs_output_alone() -> None:
    with Path("/dev/full").open("wb") as full:
        printing = Printing(full.fileno())
    printing.go_on()
    printing.go_on()
    said = printing.end()
    assert said.count("done") == 2
    assert said.count("standard output cannot be written (No space left on device)") == 1


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    printing = Printing(writer)
    os.close(writer)
    printing.go_on()
    printing.go_on()
    got = b""
    while piece := os.read(reader, 65536):
        got += piece
    os.close(reader)
    assert printing.end().count("done") == 2
    assert got.count(b"a line") == 2
    assert len(got) > 1_000_000


def test_what_is_printed_arrives_whole_and_in_order(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        printing = Printing(out.fileno())
    printing.go_on()
    printing.go_on()
    printing.end()
    once = b"a line\na part" + b"bytes" * 100_000
    assert (tmp_path / "out").read_bytes() == once + once + b"program\n"


def test_its_thread_rests_whatever_a_task_makes_of_sleep():
    code = textwrap.dedent("""
        import threading, time
        from forebay.work import stdio
        calls = []
        time.sleep = calls.append
        stdio.show_at_once()
        threading.Event().wait(2 * stdio.EVERY)
        assert calls == [], len(calls)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
